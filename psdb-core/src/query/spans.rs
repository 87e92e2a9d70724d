//! Sets of values as spans of their keys.
//!
//! ```text
//! == 30            [ 30 ]                 one point
//! 18 <= x < 30     [ 18 ──────── 30 )
//! is None          [ missing ][ null ]    if a missing field reads as None
//! ```
//! Spans are of whole keys (`codec::key`); an index that cuts keys widens their ends (`ranges`).
//! Keys of elements (`codec::entry`) are another space behind that of values: a document has one
//! value there but several elements, so spans of elements may be united, never intersected.
//!
//! Invariants:
//! 1. Spans ascend and do not overlap.
//! 2. A span that is exact holds no document for which its condition is false or raises.
//!
//! Left out: where conditions come from (`condition`).

use crate::codec::entry::{ELEMENT, MANY};
use crate::codec::key::{self, ARRAY, MISSING, NULL, NUMBER, OBJECT, STRING};
use crate::types::Value;

/// Keys from `low`, included, up to `high`, excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) low: Vec<u8>,
    pub(super) high: Vec<u8>,
    /// Whether these are the keys of one value, and `low` is that key.
    pub(super) point: bool,
    /// Whether the condition is true of every value whose key lies here.
    pub(super) exact: bool,
}

/// A set of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

/// The first key after all that begin with `prefix`.
pub(super) fn after(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return prefix;
        }
    }
    vec![ELEMENT + 1]
}

/// The whole key of a value.
pub(super) fn whole_key(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    key::encode_constant(value, usize::MAX / 2, &mut key);
    key
}

impl Span {
    fn of_point(low: Vec<u8>, exact: bool) -> Span {
        Span { high: after(low.clone()), low, point: true, exact }
    }

    fn between(low: Vec<u8>, high: Vec<u8>) -> Span {
        Span { low, high, point: false, exact: true }
    }

    pub(super) fn is_element(&self) -> bool {
        self.low.first() == Some(&ELEMENT)
    }

    fn holds(&self, key: &[u8]) -> bool {
        self.low[..] <= *key && *key < self.high[..]
    }
}

impl Spans {
    /// This one value.
    pub(super) fn value(value: &Value) -> Spans {
        Spans(vec![Span::of_point(whole_key(value), true)])
    }

    /// A field that is missing.
    pub(super) fn missing() -> Spans {
        Spans(vec![Span::of_point(vec![MISSING], true)])
    }

    /// Every value, but no missing field.
    pub(super) fn present() -> Spans {
        Spans::from(NULL)
    }

    /// Every value whose key is `lowest` or above, but no elements.
    pub(super) fn from(lowest: u8) -> Spans {
        Spans(vec![Span::between(vec![lowest], vec![ELEMENT])])
    }

    /// What is less (or equal) than `value`, of those that Python compares with it.
    pub(super) fn below(value: &Value, or_equal: bool) -> Option<Spans> {
        let key = ordered_key(value)?;
        let low = vec![*key.first()?];
        Some(Spans::non_empty(low, if or_equal { after(key) } else { key }))
    }

    /// What is greater (or equal) than `value`, of those that Python compares with it.
    pub(super) fn above(value: &Value, or_equal: bool) -> Option<Spans> {
        let key = ordered_key(value)?;
        let high = vec![key.first()? + 1];
        Some(Spans::non_empty(if or_equal { key } else { after(key) }, high))
    }

    /// Strings that begin with `prefix`.
    pub(super) fn prefix(prefix: &str) -> Spans {
        let mut low = Vec::new();
        key::encode_prefix(prefix, &mut low);
        Spans(vec![Span::between(low.clone(), after(low))])
    }

    /// What holds `value`: arrays with such an element; of a string also strings and objects, which
    /// may or may not.
    pub(super) fn holding(value: &Value) -> Spans {
        let mut spans = Vec::new();
        if matches!(value, Value::String(_)) {
            for kind in [STRING, OBJECT] {
                spans.push(Span { exact: false, ..Span::between(vec![kind], vec![kind + 1]) });
            }
        }
        let mut element = vec![ELEMENT];
        element.extend(whole_key(value));
        spans.push(Span::of_point(element, true));
        spans.push(Span::of_point(vec![ELEMENT, MANY], false));
        Spans(spans)
    }

    /// What Python takes for false, but no missing field.
    pub(super) fn falsy() -> Spans {
        let empty = [Value::Null, Value::Int(0), Value::String(String::new())];
        let containers = [Value::Array(Vec::new()), Value::Object(Vec::new())];
        let points = empty.iter().chain(&containers).map(whole_key);
        Spans(points.map(|key| Span::of_point(key, true)).collect())
    }

    /// What Python takes for true.
    pub(super) fn truthy() -> Spans {
        let falsy = Spans::falsy();
        let mut spans = Vec::new();
        let mut low = vec![NUMBER];
        for point in &falsy.0[1..] {
            let next = std::mem::replace(&mut low, point.high.clone());
            spans.extend(Spans::non_empty(next, point.low.clone()).0);
        }
        spans.extend(Spans::non_empty(low, vec![ELEMENT]).0);
        Spans(spans)
    }

    fn non_empty(low: Vec<u8>, high: Vec<u8>) -> Spans {
        if low < high { Spans(vec![Span::between(low, high)]) } else { Spans::default() }
    }

    /// The same set, in which nothing is certain.
    pub(super) fn inexact(mut self) -> Spans {
        self.0.iter_mut().for_each(|span| span.exact = false);
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Span> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are elements among these.
    pub(super) fn has_elements(&self) -> bool {
        self.0.last().is_some_and(Span::is_element)
    }

    /// Whether it is certain that the condition is true of `value`; `None` if that is not in the set.
    pub(super) fn certain_of(&self, value: &Value) -> Option<bool> {
        let key = whole_key(value);
        self.0.iter().find(|span| span.holds(&key)).map(|span| span.exact)
    }

    /// Whether a document can have two entries here: two elements, or an array and an element.
    pub(super) fn may_repeat(&self) -> bool {
        let is_many = |span: &Span| span.low.get(1) == Some(&MANY);
        let elements = self.0.iter().filter(|span| span.is_element() && !is_many(span)).count();
        let arrays =
            self.0.iter().any(|span| span.low[..] < [ARRAY + 1][..] && span.high[..] > [ARRAY][..]);
        elements > 1 || (elements == 1 && arrays)
    }

    /// What is in one of the two.
    pub(super) fn union(self, other: Spans) -> Spans {
        let mut all: Vec<Span> = self.0.into_iter().chain(other.0).collect();
        all.sort_by(|a, b| a.low.cmp(&b.low).then_with(|| a.high.cmp(&b.high)));
        let mut united: Vec<Span> = Vec::new();
        for span in all {
            match united.last_mut() {
                // A point twice is that point; it is exact if one of the two is.
                Some(last) if last.low == span.low && last.high == span.high => {
                    last.exact |= span.exact;
                }
                Some(last) if span.low < last.high => {
                    let covered = last.exact && last.high >= span.high;
                    last.exact = covered || (last.exact && span.exact);
                    last.point = false;
                    last.high = last.high.clone().max(span.high);
                }
                _ => united.push(span),
            }
        }
        Spans(united)
    }

    /// What is in both; neither holds elements.
    pub(super) fn intersection(&self, other: &Spans) -> Spans {
        let mut common = Vec::new();
        for a in &self.0 {
            for b in &other.0 {
                let low = a.low.clone().max(b.low.clone());
                let high = a.high.clone().min(b.high.clone());
                if low < high {
                    let point = a.point || b.point;
                    common.push(Span { low, high, point, exact: a.exact && b.exact });
                }
            }
        }
        common.sort_by(|a, b| a.low.cmp(&b.low));
        Spans(common)
    }

    /// One span that holds them all.
    pub(super) fn hull(&self) -> Spans {
        let ends = self.0.first().zip(self.0.last());
        let hull = ends.map(|(first, last)| Span {
            low: first.low.clone(),
            high: last.high.clone(),
            point: false,
            exact: false,
        });
        Spans(hull.into_iter().collect())
    }
}

/// The key of a value of which Python can say what is less.
fn ordered_key(value: &Value) -> Option<Vec<u8>> {
    let ordered =
        matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_));
    ordered.then(|| whole_key(value))
}

#[cfg(test)]
mod tests {
    //! Proves that sets of values hold what they should.

    use proptest::prelude::*;

    use super::Spans;
    use crate::types::Value;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (-3_i128..4).prop_map(Value::Int),
            (-6_i32..7).prop_map(|n| Value::Float(f64::from(n) / 2.0)),
            "[ab]{0,2}".prop_map(Value::String),
            Just(Value::Array(vec![])),
            Just(Value::Array(vec![Value::Int(1)])),
            Just(Value::Object(vec![])),
        ]
    }

    impl Spans {
        fn contains(&self, value: &Value) -> bool {
            self.certain_of(value).is_some()
        }
    }

    proptest! {
        #[test]
        fn sets_hold_what_they_should(x in value(), a in value(), b in value(), equal: bool) {
            prop_assert_eq!(Spans::value(&a).contains(&x), a.py_eq(&x));
            prop_assert_eq!(Spans::truthy().contains(&x), x.truthy());
            prop_assert_eq!(Spans::falsy().contains(&x), !x.truthy());
            prop_assert!(Spans::present().contains(&x));
            let holds = |operator: &str| match x.py_cmp(&a, operator) {
                Ok(Some(order)) => match operator {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                },
                Ok(None) | Err(_) => false,
            };
            if let Some(below) = Spans::below(&a, equal) {
                prop_assert_eq!(below.contains(&x), holds(if equal { "<=" } else { "<" }));
            }
            if let Some(above) = Spans::above(&a, equal) {
                prop_assert_eq!(above.contains(&x), holds(if equal { ">=" } else { ">" }));
            }
            let sets = [Spans::value(&a), Spans::truthy(), Spans::falsy(), Spans::present()];
            for first in &sets {
                for second in [Spans::value(&b), Spans::truthy(), Spans::above(&b, equal).unwrap_or_default()] {
                    let (in_first, in_second) = (first.contains(&x), second.contains(&x));
                    prop_assert_eq!(first.intersection(&second).contains(&x), in_first && in_second);
                    prop_assert_eq!(first.clone().union(second).contains(&x), in_first || in_second);
                }
            }
        }
    }
}
