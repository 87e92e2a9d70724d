//! Walks compiled code and computes its value on one document.
//!
//! - here: expressions whose meaning is in their shape: logic, comparisons, conditions.
//! - `arithmetic`: operators. `number`: of numbers alone.
//! - `subscript`: fields, indexes, slices, attributes.
//! - `display`: lists, dicts, comprehensions. `iterate`: what `for` goes over.
//! - `call`: calling lambdas and everything else. `arguments`: who gets which argument.
//! - `builtins`, `construct`, `methods`: functions, types as functions, methods.
//! - `format`: f-strings, `str.format`, rounding.
//!
//! Every step is counted by the meter, and nesting is counted here, so that no lambda runs for ever
//! or exhausts the stack.
//!
//! Invariant: comparing a field with a constant allocates nothing.
//!
//! Left out: which documents to look at (`planner`, `executor`).

mod arguments;
mod arithmetic;
mod builtins;
mod call;
mod construct;
mod display;
mod format;
mod iterate;
mod methods;
mod number;
mod order;
mod regex;
mod sort;
mod subscript;

use std::rc::{Rc, Weak};

use super::ast::Comparator;
use super::limits::EVALUATION_DEPTH;
use super::meter::Meter;
use super::object::compare::{elements_equal, equal, ordered};
use super::object::{Frame, Function, Object, Text, hash};
use super::predicate::{Code, Lambda};
use super::raised::{Eval, EvalError, raised, refused};
use crate::codec::ObjectRef;

/// The frame in which a name is looked up; `None` outside of every lambda and comprehension.
type Env<'a> = Option<Rc<Frame<'a>>>;

/// One evaluation under way.
pub(super) struct Context<'a> {
    document: ObjectRef<'a>,
    meter: &'a Meter,
    depth: u32,
    /// Frames that may be part of a circle, to be emptied at the end.
    captured: Vec<Weak<Frame<'a>>>,
}

/// The value of `code` on `document`.
pub(super) fn evaluate<'a, T>(
    code: &'a Code,
    document: ObjectRef<'a>,
    meter: &'a Meter,
    take: impl FnOnce(Object<'a>) -> Eval<T>,
) -> Eval<T> {
    let mut context = Context { document, meter, depth: 0, captured: Vec::new() };
    let value = context.eval(code, &None).and_then(take);
    for frame in context.captured {
        if let Some(frame) = frame.upgrade() {
            let slots = std::mem::take(&mut *frame.slots.borrow_mut());
            drop(slots);
        }
    }
    value
}

/// The constant that `code`, which looks at no document, computes; `None` if it raises, or if its
/// value is no scalar or a large one.
pub(super) fn constant(code: &Code) -> Option<Code> {
    const LARGE: usize = 4_096;
    let meter = Meter::default();
    let document = ObjectRef { body: &[0; 4] };
    let scalar = |value: Object<'_>| {
        Ok(match value {
            Object::None => Some(Code::None),
            Object::Bool(value) => Some(Code::Bool(value)),
            Object::Int(value) => Some(Code::Int(value)),
            Object::Big(value) => Some(Code::Big((*value).clone())),
            Object::Float(value) => Some(Code::Float(value)),
            Object::Str(text) if text.len() <= LARGE => Some(Code::Str((*text).into())),
            _ => None,
        })
    };
    evaluate(code, document, &meter, scalar).ok().flatten()
}

impl<'a> Context<'a> {
    fn eval(&mut self, code: &'a Code, env: &Env<'a>) -> Eval<Object<'a>> {
        self.meter.step()?;
        Ok(match code {
            Code::None => Object::None,
            Code::Bool(value) => Object::Bool(*value),
            Code::Int(value) => Object::Int(*value),
            Code::Float(value) => Object::Float(*value),
            Code::Str(text) => Object::Str(Text::Borrowed(text)),
            Code::Big(value) => Object::Big(Rc::new(value.clone())),
            Code::Document => Object::Fields(self.document),
            Code::Builtin(builtin) => Object::Builtin(*builtin),
            Code::Type(kind) => Object::Type(*kind),
            Code::Variable { depth, slot, name } => variable(env, *depth, *slot, name)?,
            Code::Lambda(lambda) => self.function(lambda, env)?,
            _ => return self.nested(code, env),
        })
    }

    /// Evaluates what holds other code, one level deeper.
    fn nested(&mut self, code: &'a Code, env: &Env<'a>) -> Eval<Object<'a>> {
        if self.depth >= EVALUATION_DEPTH {
            let message = format!("it nests more than {EVALUATION_DEPTH} levels deep");
            return Err(refused(message));
        }
        self.depth += 1;
        let value = self.compound(code, env);
        self.depth -= 1;
        value
    }

    fn compound(&mut self, code: &'a Code, env: &Env<'a>) -> Eval<Object<'a>> {
        match code {
            Code::Field(target, name) => {
                let target = self.eval(target, env)?;
                if let Object::Fields(fields) = &target
                    && let Some(value) = fields.get_near(&name.name, &name.place)
                {
                    return Ok(Object::of(value));
                }
                self.field(&target, &name.name)
            }
            Code::Compare(first, rest) => self.compare(first, rest, env),
            Code::And(operands) => self.and(operands, env),
            Code::Or(operands) => self.or(operands, env),
            Code::Get(parts) => self.get(parts, env),
            Code::Among { value, constants, set, negated } => {
                let value = self.eval(value, env)?;
                Ok(Object::Bool(self.among(&value, constants, *set)? != *negated))
            }
            Code::Unary(operator, operand) => {
                let operand = self.eval(operand, env)?;
                arithmetic::unary(*operator, &operand)
            }
            Code::Binary(operator, left, right) => {
                let left = self.eval(left, env)?;
                let right = self.eval(right, env)?;
                self.binary(*operator, &left, &right)
            }
            Code::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if self.eval(condition, env)?.truthy() { then } else { otherwise };
                self.eval(chosen, env)
            }
            Code::Attribute(target, name) => {
                let target = self.eval(target, env)?;
                self.attribute(&target, name)
            }
            Code::Subscript(target, index) => {
                let target = self.eval(target, env)?;
                let index = self.eval(index, env)?;
                self.subscript(&target, &index)
            }
            Code::Slice(target, parts) => self.slice(target, parts, env),
            Code::Call(call) => self.call_code(call, env),
            Code::MethodCall(call) => self.method_call(call, env),
            Code::FString(parts) => self.fstring(parts, env),
            Code::List(items) => Ok(Object::list(self.elements(items, env)?)),
            Code::Tuple(items) => Ok(Object::tuple(self.elements(items, env)?)),
            Code::Set(items) => self.set_display(items, env),
            Code::Dict(entries) => self.dict_display(entries, env),
            Code::Comprehension(parts) => self.comprehension(parts, env),
            _ => Ok(Object::None),
        }
    }

    fn and(&mut self, operands: &'a [Code], env: &Env<'a>) -> Eval<Object<'a>> {
        let mut value = Object::Bool(true);
        for operand in operands {
            value = self.eval(operand, env)?;
            if !value.truthy() {
                break;
            }
        }
        Ok(value)
    }

    fn or(&mut self, operands: &'a [Code], env: &Env<'a>) -> Eval<Object<'a>> {
        let mut value = Object::Bool(false);
        for operand in operands {
            value = self.eval(operand, env)?;
            if value.truthy() {
                break;
            }
        }
        Ok(value)
    }

    fn compare(
        &mut self,
        first: &'a Code,
        rest: &'a [(Comparator, Code)],
        env: &Env<'a>,
    ) -> Eval<Object<'a>> {
        let mut left = self.eval(first, env)?;
        for (comparator, code) in rest {
            let right = self.eval(code, env)?;
            if !self.holds(*comparator, &left, &right)? {
                return Ok(Object::Bool(false));
            }
            left = right;
        }
        Ok(Object::Bool(true))
    }

    fn holds(&mut self, comparator: Comparator, a: &Object<'a>, b: &Object<'a>) -> Eval<bool> {
        match comparator {
            Comparator::Equal => equal(a, b, self.meter),
            Comparator::NotEqual => Ok(!equal(a, b, self.meter)?),
            Comparator::In => self.contains(b, a),
            Comparator::NotIn => Ok(!self.contains(b, a)?),
            Comparator::Is => Ok(identical(a, b)),
            Comparator::IsNot => Ok(!identical(a, b)),
            _ => ordered(comparator, a, b, self.meter),
        }
    }

    /// Whether `value` equals one of `constants`.
    fn among(&mut self, value: &Object<'a>, constants: &'a [Code], set: bool) -> Eval<bool> {
        if set {
            if let Object::Set(_) = value {
                return Ok(false);
            }
            hash::hash(value, self.meter)?;
        }
        for constant in constants {
            self.meter.step()?;
            if let Code::Str(text) = constant {
                if matches!(value, Object::Str(value) if **value == **text) {
                    return Ok(true);
                }
                continue;
            }
            let constant = self.eval(constant, &None)?;
            if elements_equal(value, &constant, self.meter)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn function(&mut self, lambda: &'a Lambda, env: &Env<'a>) -> Eval<Object<'a>> {
        self.meter.allocate(64)?;
        let mut defaults = Vec::with_capacity(lambda.defaults.len());
        for default in &lambda.defaults {
            self.depth += 1;
            defaults.push(self.eval(default, env)?);
            self.depth -= 1;
        }
        Ok(Object::Function(Rc::new(Function { lambda, outer: env.clone(), defaults })))
    }

    /// A frame for one run of a lambda or a comprehension.
    fn frame(&mut self, outer: Env<'a>, slots: usize, captured: bool) -> Eval<Rc<Frame<'a>>> {
        self.meter.allocate(64 + 40 * slots as u64)?;
        let frame = Frame::new(outer, slots);
        if captured {
            self.captured.push(Rc::downgrade(&frame));
        }
        Ok(frame)
    }
}

fn variable<'a>(env: &Env<'a>, depth: usize, slot: usize, name: &str) -> Eval<Object<'a>> {
    let value = env.as_ref().and_then(|frame| frame.get(depth, slot));
    value.ok_or_else(|| {
        if depth == 0 {
            let message = format!(
                "cannot access local variable '{name}' where it is not associated with a value"
            );
            return raised("UnboundLocalError", message);
        }
        let message = format!(
            "cannot access free variable '{name}' where it is not associated with a value in \
             enclosing scope"
        );
        raised("NameError", message)
    })
}

/// Python's `is`, where one side is unique: `None`, a truth value or a type.
fn identical(a: &Object<'_>, b: &Object<'_>) -> bool {
    match (a, b) {
        (Object::None, Object::None) => true,
        (Object::Bool(a), Object::Bool(b)) => a == b,
        (Object::Type(a), Object::Type(b)) => a == b,
        _ => false,
    }
}

/// The error of an object of the wrong type.
fn not_iterable(object: &Object<'_>) -> EvalError {
    super::raised::type_error(format!("'{}' object is not iterable", object.type_name()))
}
