//! What the parsers have to know about the tools of a request: names, and the types of their parameters.

use serde_json::Value;

/// The tools that a request declares.
#[derive(Debug, Clone, Default)]
pub struct Tools(Vec<Tool>);

/// One tool.
#[derive(Debug, Clone, Default)]
pub(super) struct Tool {
    pub name: String,
    pub parameters: Vec<(String, Types)>,
    pub required: Vec<String>,
}

/// The types that a schema allows for a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Types {
    pub boolean: bool,
    pub integer: bool,
    pub number: bool,
    pub array: bool,
    pub object: bool,
    pub string: bool,
    /// How many types are named, the unknown ones too.
    pub named: usize,
}

impl Types {
    fn add(&mut self, name: &str) {
        self.named += 1;
        match name {
            "boolean" => self.boolean = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "array" => self.array = true,
            "object" => self.object = true,
            "string" => self.string = true,
            _ => {}
        }
    }

    fn add_type(&mut self, types: Option<&Value>) {
        match types {
            Some(Value::String(name)) => self.add(name),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).for_each(|name| self.add(name)),
            _ => {}
        }
    }

    /// The types of a property: those of its `anyOf` where it has one, else its `type`.
    fn of(property: &Value) -> Self {
        let mut types = Self::default();
        match property.get("anyOf").and_then(Value::as_array) {
            Some(options) if !options.is_empty() => {
                for option in options {
                    types.add_type(option.get("type"));
                }
            }
            _ => types.add_type(property.get("type")),
        }
        types
    }
}

impl Tool {
    /// The types of the parameter `name`; none when it is not declared.
    pub fn types(&self, name: &str) -> Types {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, types)| *types).unwrap_or_default()
    }

    pub fn declares(&self, name: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known == name)
    }
}

impl Tools {
    /// Takes what it needs from tools as the API has them; what is missing or of another shape is as if empty.
    pub fn new(tools: &[Value]) -> Self {
        Self(tools.iter().filter_map(|tool| tool.get("function")).map(read).collect())
    }

    /// Whether none are declared.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Tool> {
        self.0.iter().find(|tool| tool.name == name)
    }

    /// The names, in the order of the request; empty ones left out.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|tool| tool.name.as_str()).filter(|name| !name.is_empty())
    }
}

fn read(function: &Value) -> Tool {
    let parameters = function.get("parameters");
    let field = |name| parameters.and_then(|parameters| parameters.get(name));
    let properties = field("properties").and_then(Value::as_object);
    Tool {
        name: function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        parameters: properties.map_or_else(Vec::new, |all| {
            all.iter().map(|(name, property)| (name.clone(), Types::of(property))).collect()
        }),
        required: field("required")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
    }
}
