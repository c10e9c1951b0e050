//! The functions that a template may name, and how many arguments each takes.

/// A function: Go's own (without `call`'s use, as no value here is a function), then Ollama's four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// The first argument that is false, else the last; the rest is not looked at.
    And,
    /// The first argument that is true, else the last; the rest is not looked at.
    Or,
    /// The opposite.
    Not,
    /// Calls a function value: there are none, so it always fails.
    Call,
    /// Prints and escapes for HTML.
    Html,
    /// Prints and escapes for JavaScript.
    Js,
    /// Prints and escapes for the query of a URL.
    UrlQuery,
    /// An element of a list, a map or a text, through any number of levels.
    Index,
    /// A part of a list or a text.
    Slice,
    /// How many elements or bytes.
    Len,
    /// `fmt.Sprint`.
    Print,
    /// `fmt.Sprintf`.
    Printf,
    /// `fmt.Sprintln`.
    Println,
    /// Whether the first is equal to any of the others.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// JSON of a value.
    Json,
    /// Today, as 2006-01-02; arguments are texts and not looked at.
    CurrentDate,
    /// Yesterday, likewise.
    YesterdayDate,
    /// The TypeScript type of a tool's property.
    ToTypeScriptType,
}

/// Name, least and most arguments.
const TABLE: &[(Function, &str, usize, usize)] = &[
    (Function::And, "and", 1, usize::MAX),
    (Function::Or, "or", 1, usize::MAX),
    (Function::Not, "not", 1, 1),
    (Function::Call, "call", 1, usize::MAX),
    (Function::Html, "html", 0, usize::MAX),
    (Function::Js, "js", 0, usize::MAX),
    (Function::UrlQuery, "urlquery", 0, usize::MAX),
    (Function::Index, "index", 1, usize::MAX),
    (Function::Slice, "slice", 1, usize::MAX),
    (Function::Len, "len", 1, 1),
    (Function::Print, "print", 0, usize::MAX),
    (Function::Printf, "printf", 1, usize::MAX),
    (Function::Println, "println", 0, usize::MAX),
    (Function::Eq, "eq", 1, usize::MAX),
    (Function::Ne, "ne", 2, 2),
    (Function::Lt, "lt", 2, 2),
    (Function::Le, "le", 2, 2),
    (Function::Gt, "gt", 2, 2),
    (Function::Ge, "ge", 2, 2),
    (Function::Json, "json", 1, 1),
    (Function::CurrentDate, "currentDate", 0, usize::MAX),
    (Function::YesterdayDate, "yesterdayDate", 0, usize::MAX),
    (Function::ToTypeScriptType, "toTypeScriptType", 1, 1),
];

impl Function {
    /// The function of that name.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, known, _, _)| *known == name).map(|(function, ..)| *function)
    }

    fn row(self) -> (&'static str, usize, usize) {
        let row = TABLE.iter().find(|(function, ..)| *function == self);
        row.map_or(("", 0, 0), |(_, name, least, most)| (*name, *least, *most))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The sentence about a wrong number of arguments, if it is one.
    pub(super) fn arity_error(self, given: usize) -> Option<String> {
        let (name, least, most) = self.row();
        if (least..=most).contains(&given) {
            return None;
        }
        let want = if most == usize::MAX { format!("at least {least}") } else { least.to_string() };
        Some(format!("wrong number of args for {name}: want {want} got {given}"))
    }

    /// Whether it is one of Ollama's own, which the cut template of a last round lacks.
    pub(super) fn is_extra(self) -> bool {
        matches!(self, Self::Json | Self::CurrentDate | Self::YesterdayDate | Self::ToTypeScriptType)
    }

    /// Whether argument `index` has to be a text.
    pub(super) fn wants_text(self, index: usize) -> bool {
        matches!(self, Self::CurrentDate | Self::YesterdayDate) || (self == Self::Printf && index == 0)
    }
}
