//! Whether a model may think first, and how hard (the behaviour page, section 2.3).

/// What a request says about thinking. A request that says nothing gets what the model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Think {
    /// `false`.
    Off,
    /// `true`.
    On,
    /// A level by name.
    Level(Level),
}

/// How hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `"low"`.
    Low,
    /// `"medium"`.
    Medium,
    /// `"high"`.
    High,
    /// `"max"`.
    Max,
}

impl Think {
    /// Whether it asks for thinking.
    pub fn wanted(self) -> bool {
        self != Self::Off
    }

    /// The level, where one is named.
    pub fn level(self) -> Option<&'static str> {
        matches!(self, Self::Level(_)).then(|| self.level_text())
    }

    /// The level as templates see it: `true` counts as medium, `false` is empty.
    pub fn level_text(self) -> &'static str {
        match self {
            Self::Off => "",
            Self::Level(Level::Low) => "low",
            Self::On | Self::Level(Level::Medium) => "medium",
            Self::Level(Level::High) => "high",
            Self::Level(Level::Max) => "max",
        }
    }
}
