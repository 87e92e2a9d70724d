//! Names that nothing in the text binds: types, and what to say of the rest.
//!
//! Left out: built-in functions and methods (`object::types`).

use crate::query::lexer::invalid;
use crate::query::object::Type;
use crate::types::Error;

/// The type called `name`, of those a lambda can name.
pub(super) fn type_named(name: &str) -> Option<Type> {
    let named = Type::NAMED.iter().find(|(other, kind)| *other == name && *kind != Type::NoneType);
    named.map(|(_, kind)| *kind)
}

/// Methods that Python's types have and PSDB's do not. Called on a dict's field they would mean
/// something else than in Python, so they are refused.
const PYTHON_METHODS: [&str; 72] = [
    "add",
    "append",
    "as_integer_ratio",
    "astimezone",
    "bit_count",
    "bit_length",
    "center",
    "clear",
    "close",
    "conjugate",
    "copy",
    "ctime",
    "date",
    "difference_update",
    "discard",
    "dst",
    "encode",
    "end",
    "expand",
    "expandtabs",
    "extend",
    "format_map",
    "from_bytes",
    "fromhex",
    "fromkeys",
    "groupdict",
    "groups",
    "hex",
    "insert",
    "intersection_update",
    "is_integer",
    "isascii",
    "isdecimal",
    "isidentifier",
    "isnumeric",
    "isocalendar",
    "isoweekday",
    "isprintable",
    "istitle",
    "ljust",
    "maketrans",
    "mro",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "rjust",
    "rpartition",
    "send",
    "setdefault",
    "sort",
    "span",
    "start",
    "strftime",
    "strptime",
    "swapcase",
    "symmetric_difference_update",
    "throw",
    "time",
    "timestamp",
    "timetuple",
    "timetz",
    "to_bytes",
    "toordinal",
    "translate",
    "tzname",
    "update",
    "utcoffset",
    "utctimetuple",
    "weekday",
    "combine",
    "today",
];

/// Whether `name` is a method that Python has and PSDB has not.
pub(super) fn is_python_method(name: &str) -> bool {
    PYTHON_METHODS.contains(&name)
}

pub(super) fn unsupported_method(name: &str, column: u32) -> Error {
    let hint = match name {
        "append" | "add" | "extend" | "insert" | "update" | "pop" | "remove" | "clear"
        | "setdefault" | "popitem" | "discard" | "sort" | "reverse" => {
            "a lambda changes nothing; make a new value, such as [*old, new] or sorted(old)"
        }
        "center" | "ljust" | "rjust" => "write f\"{text:<10}\", f\"{text:^10}\" or f\"{text:>10}\"",
        _ => "docs/query-language.md lists the methods",
    };
    invalid(format!("method '{name}' is not supported"), column, Some(hint))
}

pub(super) fn unknown(name: &str, parameter: &str, column: u32) -> Error {
    let hint = match name {
        "true" => "write True".to_owned(),
        "false" => "write False".to_owned(),
        "null" | "none" | "nil" | "undefined" => "write None".to_owned(),
        "eval" | "exec" | "compile" | "open" | "input" | "print" | "getattr" | "setattr"
        | "globals" | "locals" | "vars" | "breakpoint" => "a lambda only computes".to_owned(),
        "frozenset" | "next" | "iter" | "repr" | "ascii" | "format" | "chr" | "ord" | "hash"
        | "id" | "hex" | "oct" | "bin" | "divmod" | "pow" | "slice" | "bytes" | "complex"
        | "callable" | "hasattr" | "dir" | "super" => {
            "PSDB does not have this function; docs/query-language.md lists what there is"
                .to_owned()
        }
        _ => format!("write {parameter}[\"{name}\"] for a field, or \"{name}\" for a string"),
    };
    invalid(format!("unknown name '{name}'"), column, Some(&hint))
}
