//! A compiled lambda, ready to run on encoded documents.
//!
//! Left out: how it is made (`parser`, `compiler`) and how it runs (`eval`).

use std::sync::Arc;

use super::meter::Meter;
use super::predicate::Code;
use super::raised::EvalError;
use super::{ast, compiler, eval, parser, printer};
use crate::codec::EncodedDocument;
use crate::types::{Result, Value};

/// A compiled lambda. Cloning is cheap, and clones are shared by all shards.
///
/// # Examples
///
/// ```
/// use psdb_core::codec::EncodedDocument;
/// use psdb_core::query::Program;
/// use psdb_core::{Limits, Value};
///
/// let program = Program::compile("lambda d: d['age'] + 1")?;
/// let ada = EncodedDocument::from_json(br#"{"age": 36}"#, &Limits::DEFAULT)?;
/// assert_eq!(program.evaluate(&ada), Ok(Value::Int(37)));
/// assert_eq!(program.matches(&ada), Ok(true));
/// # Ok::<(), psdb_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    code: Arc<Code>,
    text: Arc<str>,
}

impl Program {
    /// Compiles `lambda d: ...`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidQuery`] with the column of what is outside the language, and often a
    /// hint.
    pub fn compile(text: &str) -> Result<Program> {
        let (parameter, body) = parser::parse(text)?;
        Program::from_tree(&parameter, &body)
    }

    pub(super) fn from_tree(parameter: &str, body: &ast::Node) -> Result<Program> {
        parser::check_height(body)?;
        let code = compiler::compile(parameter, body)?;
        let text = printer::print_lambda(parameter, body);
        Ok(Program { code: Arc::new(code), text: text.into() })
    }

    /// The lambda as Python text; compiling it gives the same program.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn code(&self) -> &Code {
        &self.code
    }

    /// Whether the lambda's value on `document` is true in Python's sense.
    ///
    /// # Errors
    ///
    /// [`EvalError::Raised`] when it raises, [`EvalError::Limit`] when it passes a limit.
    pub fn matches(&self, document: &EncodedDocument) -> Result<bool, EvalError> {
        self.matches_within(document, &Meter::default())
    }

    /// As [`Program::matches`], charging the budgets of `meter`.
    ///
    /// # Errors
    ///
    /// As [`Program::matches`], and a limit when the query is cancelled.
    pub fn matches_within(
        &self,
        document: &EncodedDocument,
        meter: &Meter,
    ) -> Result<bool, EvalError> {
        meter.next_document();
        eval::evaluate(&self.code, document.root(), meter, |value| Ok(value.truthy()))
    }

    /// The lambda's value on `document`, as JSON.
    ///
    /// # Errors
    ///
    /// [`EvalError::Raised`] when it raises, [`EvalError::Limit`] when it passes a limit or its
    /// value is not JSON.
    pub fn evaluate(&self, document: &EncodedDocument) -> Result<Value, EvalError> {
        self.evaluate_within(document, &Meter::default())
    }

    /// As [`Program::evaluate`], charging the budgets of `meter`.
    ///
    /// # Errors
    ///
    /// As [`Program::evaluate`], and a limit when the query is cancelled.
    pub fn evaluate_within(
        &self,
        document: &EncodedDocument,
        meter: &Meter,
    ) -> Result<Value, EvalError> {
        meter.next_document();
        eval::evaluate(&self.code, document.root(), meter, |value| value.to_value(meter))
    }
}
