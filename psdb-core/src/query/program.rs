//! A compiled lambda, ready to run on encoded documents.
//!
//! Left out: how it is made (`parser`, `compiler`) and how it runs (`eval`).

use std::sync::{Arc, OnceLock};

use super::condition::{self, Known};
use super::field::Field;
use super::meter::Meter;
use super::predicate::{Code, FieldName};
use super::raised::EvalError;
use super::shortcut::{self, Shortcut};
use super::{ast, compiler, eval, parser, printer};
use crate::codec::{EncodedDocument, ObjectRef, touch_fields};
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
    compiled: Arc<Compiled>,
    text: Arc<str>,
}

#[derive(Debug)]
struct Compiled {
    code: Code,
    /// Decides most documents, if the code's shape has one.
    shortcut: Option<Shortcut>,
    /// What is touched ahead.
    fields: Box<[FieldName]>,
    /// What planning needs, once somebody has planned with it.
    known: OnceLock<Option<Known>>,
    field: OnceLock<Option<Field>>,
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
        let shortcut = Shortcut::of(&code);
        let fields = shortcut::fields_read(shortcut.as_ref(), &code);
        let (known, field) = (OnceLock::new(), OnceLock::new());
        let compiled = Compiled { code, shortcut, fields, known, field };
        Ok(Program { compiled: Arc::new(compiled), text: text.into() })
    }

    /// The lambda as Python text; compiling it gives the same program.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is true of every document, and never raises.
    pub(super) fn is_always_true(&self) -> bool {
        matches!(self.code(), Code::Bool(true)) || matches!(self.code(), Code::Int(n) if *n != 0)
    }

    pub(super) fn code(&self) -> &Code {
        &self.compiled.code
    }

    /// What must be true of a document for this to be true of it, as far as that is known.
    pub(super) fn known(&self) -> Option<&Known> {
        self.compiled.known.get_or_init(|| condition::of(self.code())).as_ref()
    }

    /// The field that this reads, if that is all it does.
    pub(super) fn field(&self) -> Option<&Field> {
        self.compiled.field.get_or_init(|| Field::of(self.code())).as_ref()
    }

    /// Touches what evaluating will read first of some documents, which `documents` gives again and
    /// again.
    pub(super) fn touch<'d, I: Iterator<Item = ObjectRef<'d>>>(&self, documents: impl Fn() -> I) {
        // Where the fields stand in the first, they are likely to stand in the others.
        if let Some(first) = documents().next() {
            for field in &self.compiled.fields {
                let _ = first.get_near(&field.name, &field.place);
            }
        }
        touch_fields(documents, || self.compiled.fields.iter().map(|field| &field.place));
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
    pub fn matches_within<'d>(
        &self,
        document: impl Into<ObjectRef<'d>>,
        meter: &Meter,
    ) -> Result<bool, EvalError> {
        let document = document.into();
        meter.next_document();
        if let Some(shortcut) = &self.compiled.shortcut {
            meter.charge(shortcut.tests())?;
            if let Some(matches) = shortcut.matches(document) {
                return Ok(matches);
            }
        }
        self.evaluated_truth(document, meter)
    }

    /// What [`Program::matches`] answers, always by evaluating.
    pub(super) fn evaluated_truth<'d>(
        &self,
        document: impl Into<ObjectRef<'d>>,
        meter: &Meter,
    ) -> Result<bool, EvalError> {
        let truth = |value: super::object::Object<'_>| Ok(value.truthy());
        eval::evaluate(&self.compiled.code, document.into(), meter, truth)
    }

    #[cfg(test)]
    pub(super) fn has_shortcut(&self) -> bool {
        self.compiled.shortcut.is_some()
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
    pub fn evaluate_within<'d>(
        &self,
        document: impl Into<ObjectRef<'d>>,
        meter: &Meter,
    ) -> Result<Value, EvalError> {
        meter.next_document();
        eval::evaluate(&self.compiled.code, document.into(), meter, |value| value.to_value(meter))
    }
}
