//! The Go types that Ollama gives to templates: their names and fields, in the order in which Go prints them.

/// What a slice holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListType {
    /// Anything, out of JSON.
    Any,
    /// Texts.
    Texts,
    /// `.Tools`; prints as JSON.
    Tools,
    /// `.Messages`.
    Messages,
    /// `.Images`.
    Images,
    /// `.ToolCalls`.
    Calls,
    /// `.Type` of a property.
    PropertyType,
    /// `.AnyOf` of a property.
    AnyOf,
}

impl ListType {
    /// Its name in Go.
    pub fn go(self) -> &'static str {
        match self {
            Self::Any => "[]interface {}",
            Self::Texts => "[]string",
            Self::Tools => "template.templateTools",
            Self::Messages => "[]*template.templateMessage",
            Self::Images => "[]api.ImageData",
            Self::Calls => "[]template.templateToolCall",
            Self::PropertyType => "api.PropertyType",
            Self::AnyOf => "[]api.ToolProperty",
        }
    }
}

/// What a map holds; the keys are texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapType {
    /// Anything.
    Any,
    /// `.Function.Arguments`: anything; prints as JSON.
    Arguments,
    /// `.Function.Parameters.Properties`; prints as JSON.
    Properties,
    /// The same, out of a property's own properties.
    PlainProperties,
}

impl MapType {
    /// Its name in Go.
    pub fn go(self) -> &'static str {
        match self {
            Self::Any => "map[string]interface {}",
            Self::Arguments => "template.templateArgs",
            Self::Properties => "template.templateProperties",
            Self::PlainProperties => "map[string]api.ToolProperty",
        }
    }

    /// Whether what it holds are properties of tools, so that a missing one is an empty property.
    pub fn holds_properties(self) -> bool {
        matches!(self, Self::Properties | Self::PlainProperties)
    }
}

/// A struct's type.
#[derive(Debug, PartialEq, Eq)]
pub struct RecordType {
    /// Its name in Go.
    pub go: &'static str,
    /// Whether its `String` method gives JSON.
    pub is_json: bool,
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a struct.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in Go, which templates use.
    pub go: &'static str,
    /// Its name in JSON.
    pub json: &'static str,
    /// Left out of JSON when empty.
    pub omits_empty: bool,
}

const fn field(go: &'static str, json: &'static str) -> Field {
    Field { go, json, omits_empty: false }
}

const fn optional(go: &'static str, json: &'static str) -> Field {
    Field { go, json, omits_empty: true }
}

/// An element of `.Messages`.
pub static MESSAGE: RecordType = RecordType {
    go: "template.templateMessage",
    is_json: false,
    fields: &[
        field("Role", "Role"),
        field("Content", "Content"),
        field("Thinking", "Thinking"),
        field("Images", "Images"),
        field("ToolCalls", "ToolCalls"),
        field("ToolName", "ToolName"),
        field("ToolCallID", "ToolCallID"),
    ],
};

/// An element of `.ToolCalls`.
pub static CALL: RecordType = RecordType {
    go: "template.templateToolCall",
    is_json: false,
    fields: &[field("ID", "ID"), field("Function", "Function")],
};

/// `.Function` of a call.
pub static CALL_FUNCTION: RecordType = RecordType {
    go: "template.templateToolCallFunction",
    is_json: false,
    fields: &[field("Index", "Index"), field("Name", "Name"), field("Arguments", "Arguments")],
};

/// An element of `.Tools`.
pub static TOOL: RecordType = RecordType {
    go: "template.templateTool",
    is_json: true,
    fields: &[field("Type", "type"), optional("Items", "items"), field("Function", "function")],
};

/// `.Function` of a tool.
pub static TOOL_FUNCTION: RecordType = RecordType {
    go: "template.templateToolFunction",
    is_json: false,
    fields: &[field("Name", "name"), field("Description", "description"), field("Parameters", "parameters")],
};

/// `.Function.Parameters` of a tool.
pub static PARAMETERS: RecordType = RecordType {
    go: "template.templateToolFunctionParameters",
    is_json: false,
    fields: &[
        field("Type", "type"),
        optional("Defs", "$defs"),
        optional("Items", "items"),
        optional("Required", "required"),
        field("Properties", "properties"),
    ],
};

/// A property of a tool.
pub static PROPERTY: RecordType = RecordType {
    go: "api.ToolProperty",
    is_json: false,
    fields: &[
        optional("AnyOf", "anyOf"),
        optional("Type", "type"),
        optional("Items", "items"),
        optional("Description", "description"),
        optional("Enum", "enum"),
        optional("Properties", "properties"),
        optional("Required", "required"),
    ],
};
