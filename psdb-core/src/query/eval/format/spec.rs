//! Formats: `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`.
//!
//! Left out: what a type makes of them.

use crate::query::raised::{Eval, EvalError, value_error};

/// A format.
#[derive(Debug, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    pub(super) align: Option<char>,
    pub(super) sign: Option<char>,
    pub(super) coerce_zero: bool,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn number(&mut self) -> Eval<Option<usize>> {
        let mut number = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let value = number.unwrap_or(0_usize).checked_mul(10);
            let value = value.and_then(|value| value.checked_add(digit as usize));
            let value = value.filter(|value| i64::try_from(*value).is_ok());
            let Some(value) = value else {
                return Err(value_error("Too many decimal digits in format string"));
            };
            number = Some(value);
            self.at += 1;
        }
        Ok(number)
    }
}

pub(super) fn unknown_code(kind: char, of: &str) -> EvalError {
    let shown = match kind {
        '!'..='\x7f' => kind.to_string(),
        _ => format!("\\x{:x}", kind as u32),
    };
    value_error(format!("Unknown format code '{shown}' for object of type '{of}'"))
}

impl Spec {
    /// Reads the format of a value of type `of`.
    pub(super) fn read(text: &str, of: &str) -> Eval<Spec> {
        let is_align = |c: &char| matches!(c, '<' | '>' | '=' | '^');
        let mut reader = Reader { chars: text.chars().collect(), at: 0 };
        let mut spec = Spec::default();
        if let Some(align) = reader.chars.get(1).copied().filter(is_align) {
            spec.fill = reader.peek();
            spec.align = Some(align);
            reader.at = 2;
        } else if let Some(align) = reader.peek().filter(is_align) {
            spec.align = Some(align);
            reader.at = 1;
        }
        if let Some(sign @ ('+' | '-' | ' ')) = reader.peek() {
            spec.sign = Some(sign);
            reader.at += 1;
        }
        spec.coerce_zero = reader.skip('z');
        spec.alternate = reader.skip('#');
        if spec.fill.is_none() && reader.skip('0') {
            spec.fill = Some('0');
            if spec.align.is_none() && of != "str" {
                spec.align = Some('=');
            }
        }
        spec.width = reader.number()?.unwrap_or(0);
        spec.read_grouping(&mut reader)?;
        if reader.skip('.') {
            spec.precision = reader.number()?;
            if spec.precision.is_none() {
                return Err(value_error("Format specifier missing precision"));
            }
        }
        spec.read_kind(&reader, text, of)?;
        Ok(spec)
    }

    fn read_grouping(&mut self, reader: &mut Reader) -> Eval<()> {
        if reader.skip(',') {
            self.grouping = Some(',');
        }
        if reader.skip('_') {
            if self.grouping.is_some() {
                return Err(value_error("Cannot specify both ',' and '_'."));
            }
            self.grouping = Some('_');
        }
        if reader.peek() == Some(',') && self.grouping == Some('_') {
            return Err(value_error("Cannot specify both ',' and '_'."));
        }
        Ok(())
    }

    fn read_kind(&mut self, reader: &Reader, text: &str, of: &str) -> Eval<()> {
        match reader.chars.get(reader.at..) {
            Some([kind]) => self.kind = Some(*kind),
            Some([]) | None => {}
            Some(_) => {
                let message =
                    format!("Invalid format specifier '{text}' for object of type '{of}'");
                return Err(value_error(message));
            }
        }
        let Some(grouping) = self.grouping else { return Ok(()) };
        let kind = match (self.kind, of) {
            (None, "str") => 's',
            (None, _) => return Ok(()),
            (Some(kind), _) => kind,
        };
        let fits = match kind {
            'd' | 'e' | 'f' | 'g' | 'E' | 'G' | '%' | 'F' => true,
            'b' | 'o' | 'x' | 'X' => grouping == '_',
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let shown = match kind {
            '!'..='\x7f' => kind.to_string(),
            _ => format!("\\x{:x}", kind as u32),
        };
        Err(value_error(format!("Cannot specify '{grouping}' with '{shown}'.")))
    }

    /// Fills up to the width; `prefix` (sign and base) stays in front with `=`.
    pub(super) fn padded(&self, prefix: &str, text: &str, default: char) -> String {
        let fill = self.fill.unwrap_or(' ');
        let len = prefix.chars().count() + text.chars().count();
        let missing = self.width.saturating_sub(len);
        let pad = |count: usize| fill.to_string().repeat(count);
        match self.align.unwrap_or(default) {
            '<' => format!("{prefix}{text}{}", pad(missing)),
            '^' => {
                let left = missing / 2;
                format!("{}{prefix}{text}{}", pad(left), pad(missing - left))
            }
            '=' => format!("{prefix}{}{text}", pad(missing)),
            _ => format!("{}{prefix}{text}", pad(missing)),
        }
    }
}
