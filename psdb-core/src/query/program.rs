//! temp stub
#![allow(missing_docs)]
use crate::codec::EncodedDocument;
use crate::types::{PyError, Result, Value};
#[derive(Clone, Debug)]
pub struct Program;
pub enum EvalError {
    Raised(PyError),
    Limit(String),
}
impl Program {
    pub fn compile(_text: &str) -> Result<Program> {
        Ok(Program)
    }
    pub fn evaluate(&self, _d: &EncodedDocument) -> Result<Value, EvalError> {
        Ok(Value::Null)
    }
    pub fn matches(&self, _d: &EncodedDocument) -> Result<bool, EvalError> {
        Ok(true)
    }
}
