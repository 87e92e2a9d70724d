//! The names of types, built-in functions and methods.
//!
//! Left out: what they do (`eval`).

/// A type.
#[allow(clippy::enum_variant_names)] // Python's own names
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum Type {
    NoneType,
    Bool,
    Int,
    Float,
    Str,
    List,
    Tuple,
    Dict,
    Set,
    Range,
    Keys,
    Values,
    Items,
    Function,
    Builtin,
    Type,
    MethodDescriptor,
    Generator,
    Map,
    Filter,
    Zip,
    Enumerate,
    Reversed,
    ListReversed,
    DateTime,
    Match,
    Object,
    Other(&'static str),
}

impl Type {
    /// The types a lambda can name.
    pub(in crate::query) const NAMED: [(&'static str, Type); 18] = [
        ("bool", Type::Bool),
        ("int", Type::Int),
        ("float", Type::Float),
        ("str", Type::Str),
        ("list", Type::List),
        ("tuple", Type::Tuple),
        ("dict", Type::Dict),
        ("set", Type::Set),
        ("range", Type::Range),
        ("type", Type::Type),
        ("map", Type::Map),
        ("filter", Type::Filter),
        ("zip", Type::Zip),
        ("enumerate", Type::Enumerate),
        ("reversed", Type::Reversed),
        ("datetime", Type::DateTime),
        ("object", Type::Object),
        ("NoneType", Type::NoneType),
    ];

    /// The name, as messages give it.
    pub(in crate::query) fn name(self) -> &'static str {
        match self {
            Type::Keys => "dict_keys",
            Type::Values => "dict_values",
            Type::Items => "dict_items",
            Type::Function => "function",
            Type::Builtin => "builtin_function_or_method",
            Type::MethodDescriptor => "method_descriptor",
            Type::Generator => "generator",
            Type::ListReversed => "list_reverseiterator",
            Type::Match => "re.Match",
            Type::DateTime => "datetime.datetime",
            Type::Other(name) => name,
            named => {
                let found = Type::NAMED.iter().find(|(_, other)| *other == named);
                found.map_or("object", |(name, _)| name)
            }
        }
    }

    /// Whether an object of this type is one of `other` too: `bool` is an `int`.
    pub(in crate::query) fn is(self, other: Type) -> bool {
        self == other || other == Type::Object || (self == Type::Bool && other == Type::Int)
    }
}

/// Makes an enum of names with a table from name to variant.
macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::query) enum $enum { $($variant),* }

        impl $enum {
            /// What is called `name`.
            pub(in crate::query) fn named(name: &str) -> Option<$enum> {
                match name {
                    $($name => Some($enum::$variant),)*
                    _ => None,
                }
            }

            /// How it is called.
            pub(in crate::query) fn name(self) -> &'static str {
                match self {
                    $($enum::$variant => $name),*
                }
            }
        }
    };
}

named! {
    /// A function that is there without being named by a parameter.
    Builtin {
        Len = "len", Min = "min", Max = "max", Sum = "sum", Any = "any", All = "all",
        Abs = "abs", Round = "round", Sorted = "sorted", IsInstance = "isinstance",
        ReSearch = "re.search", ReMatch = "re.match", ReFullMatch = "re.fullmatch",
        FromIsoFormat = "datetime.fromisoformat",
    }
}

named! {
    /// A method of one type or of several.
    Method {
        Lower = "lower", Upper = "upper", Title = "title", Capitalize = "capitalize",
        CaseFold = "casefold", Strip = "strip", LStrip = "lstrip", RStrip = "rstrip",
        Split = "split", RSplit = "rsplit", SplitLines = "splitlines", Join = "join",
        Replace = "replace", StartsWith = "startswith", EndsWith = "endswith", Find = "find",
        RFind = "rfind", Index = "index", Count = "count", IsDigit = "isdigit",
        IsAlpha = "isalpha", IsAlnum = "isalnum", IsSpace = "isspace", IsUpper = "isupper",
        IsLower = "islower", ZFill = "zfill", RemovePrefix = "removeprefix",
        RemoveSuffix = "removesuffix", Partition = "partition", Format = "format",
        Get = "get", Keys = "keys", Values = "values", Items = "items",
        Union = "union", Intersection = "intersection", Difference = "difference",
        SymmetricDifference = "symmetric_difference", IsSubset = "issubset",
        IsSuperset = "issuperset", IsDisjoint = "isdisjoint",
        Group = "group", IsoFormat = "isoformat",
    }
}

impl Method {
    /// Whether objects of type `of` have this method.
    pub(in crate::query) fn belongs_to(self, of: Type) -> bool {
        match self {
            Method::Index | Method::Count => {
                matches!(of, Type::Str | Type::List | Type::Tuple | Type::Range)
            }
            Method::Get | Method::Keys | Method::Values | Method::Items => of == Type::Dict,
            Method::Union
            | Method::Intersection
            | Method::Difference
            | Method::SymmetricDifference
            | Method::IsSubset
            | Method::IsSuperset => of == Type::Set,
            Method::IsDisjoint => matches!(of, Type::Set | Type::Keys | Type::Items),
            Method::Group => of == Type::Match,
            Method::IsoFormat => of == Type::DateTime,
            _ => of == Type::Str,
        }
    }
}
