//! The `OLLAMA_*` variables (the behaviour page, section 8.5), each a documented constant, read into [`Settings`].
//!
//! Reading is pure: it takes the lookup as an argument, and what it replaces is told in [`Settings::warnings`].

use std::path::PathBuf;
use std::time::Duration;

use crate::config::duration;
use crate::config::host::Host;
use crate::config::limits;
use crate::engine::kv::{KvCache, KvType};
use crate::engine::wire::KeepAlive;

/// Where the server listens and clients connect; see [`Host`]. Default `127.0.0.1:11434`.
pub const OLLAMA_HOST: &str = "OLLAMA_HOST";
/// Root of the model store. Default `~/.ollama/models`.
pub const OLLAMA_MODELS: &str = "OLLAMA_MODELS";
/// How long an idle model stays loaded: a duration or whole seconds, negative for ever, 0 not at all. Default 5m.
pub const OLLAMA_KEEP_ALIVE: &str = "OLLAMA_KEEP_ALIVE";
/// How long a load may stand still, in the same notation; 0 or less: no limit. Default 5m.
pub const OLLAMA_LOAD_TIMEOUT: &str = "OLLAMA_LOAD_TIMEOUT";
/// Most requests that run at once for one model. Default 0: what memory holds.
pub const OLLAMA_NUM_PARALLEL: &str = "OLLAMA_NUM_PARALLEL";
/// Most models loaded at once. Default 0: what memory holds.
pub const OLLAMA_MAX_LOADED_MODELS: &str = "OLLAMA_MAX_LOADED_MODELS";
/// Most requests that wait; one more gets 503. Default 512.
pub const OLLAMA_MAX_QUEUE: &str = "OLLAMA_MAX_QUEUE";
/// Context length where request and model name none. Default 0: by memory.
pub const OLLAMA_CONTEXT_LENGTH: &str = "OLLAMA_CONTEXT_LENGTH";
/// Flash attention: true or false; unset: where every device supports it.
pub const OLLAMA_FLASH_ATTENTION: &str = "OLLAMA_FLASH_ATTENTION";
/// Type of the KV memory's numbers: `f16`, `q8_0` and so on. Default empty: f16.
pub const OLLAMA_KV_CACHE_TYPE: &str = "OLLAMA_KV_CACHE_TYPE";
/// Origins that browsers may call from, separated by commas, besides the built-in ones (section 0.8).
pub const OLLAMA_ORIGINS: &str = "OLLAMA_ORIGINS";
/// Log level: true or 1 for debug, 2 for trace. Default info.
pub const OLLAMA_DEBUG: &str = "OLLAMA_DEBUG";
/// Keep blobs that no manifest names when the server starts, and those of models that are replaced. Default false.
pub const OLLAMA_NOPRUNE: &str = "OLLAMA_NOPRUNE";
/// Go templates always (true) or never (false); unset: whichever template of a model can do more (section 7.1).
pub const OLLAMA_GO_TEMPLATE: &str = "OLLAMA_GO_TEMPLATE";
/// Models of ollama.com are switched off, as `/api/status` tells. There are none here in any case. Default false.
pub const OLLAMA_NO_CLOUD: &str = "OLLAMA_NO_CLOUD";

/// Variables of Ollama that are accepted and change nothing here, each with the reason that the log tells.
pub const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("OLLAMA_GPU_OVERHEAD", "memory is not set aside yet"),
    ("OLLAMA_SCHED_SPREAD", "models are not spread over devices yet"),
    ("OLLAMA_LLM_LIBRARY", "there is one backend in the program"),
    ("OLLAMA_VULKAN", "there is one backend in the program"),
    ("OLLAMA_IGPU_ENABLE", "there is one backend in the program"),
    ("OLLAMA_DEBUG_LOG_REQUESTS", "requests are never written to files"),
    ("OLLAMA_MAX_TRANSFER_STREAMS", "nothing is pulled or pushed yet"),
    ("OLLAMA_REMOTES", "models do not run elsewhere"),
    ("OLLAMA_CLOUD_BASE_URL", "models do not run elsewhere"),
    ("OLLAMA_AUTH", "requests are not signed"),
    ("OLLAMA_EXPERIMENT", "there are no experiments"),
    ("LLAMA_ARG_FIT", "there is no llama-server"),
    ("LLAMA_ARG_FIT_TARGET", "there is no llama-server"),
];

/// How long a request may stand still before it gets 408. Default 30s.
pub const LLAMERO_READ_TIMEOUT: &str = "LLAMERO_READ_TIMEOUT";
/// How long a client may take no bytes while there are some for it. Default 30s.
pub const LLAMERO_WRITE_TIMEOUT: &str = "LLAMERO_WRITE_TIMEOUT";
/// How long running streams may go on after SIGTERM. Default 30s.
pub const LLAMERO_DRAIN_TIMEOUT: &str = "LLAMERO_DRAIN_TIMEOUT";

/// The variables with a word each, as the help of the command line lists them.
pub const HELP: &[(&str, &str)] = &[
    (OLLAMA_HOST, "where the server listens and clients connect (default 127.0.0.1:11434)"),
    (OLLAMA_MODELS, "the folder of the models (default ~/.ollama/models)"),
    (OLLAMA_KEEP_ALIVE, "how long models stay loaded (default 5m)"),
    (OLLAMA_LOAD_TIMEOUT, "how long a load may stand still (default 5m)"),
    (OLLAMA_NUM_PARALLEL, "most requests at once for one model (default: what memory holds)"),
    (OLLAMA_MAX_LOADED_MODELS, "most models loaded at once (default: what memory holds)"),
    (OLLAMA_MAX_QUEUE, "most requests that wait (default 512)"),
    (OLLAMA_CONTEXT_LENGTH, "context length unless told otherwise (default: by memory)"),
    (OLLAMA_FLASH_ATTENTION, "flash attention on or off (default: where devices support it)"),
    (OLLAMA_KV_CACHE_TYPE, "type of the KV memory (default f16)"),
    (OLLAMA_ORIGINS, "origins allowed besides the built-in ones, separated by commas"),
    (OLLAMA_DEBUG, "1: log more, 2: log everything"),
    (OLLAMA_NOPRUNE, "keep unused blobs"),
    (OLLAMA_GO_TEMPLATE, "Go templates always or never (default: whichever can do more)"),
    (OLLAMA_NO_CLOUD, "models of ollama.com are off, as /api/status tells"),
    (LLAMERO_READ_TIMEOUT, "how long a request may stand still (default 30s)"),
    (LLAMERO_WRITE_TIMEOUT, "how long a client may take no bytes (default 30s)"),
    (LLAMERO_DRAIN_TIMEOUT, "how long streams may go on after SIGTERM (default 30s)"),
];

/// `OLLAMA_KEEP_ALIVE` and `OLLAMA_LOAD_TIMEOUT` unless they are set.
const FIVE_MINUTES_NS: i64 = 300 * 1_000_000_000;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// The normal state.
    Info,
    /// `OLLAMA_DEBUG=1`.
    Debug,
    /// `OLLAMA_DEBUG=2` and above.
    Trace,
}

/// Everything that the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// [`OLLAMA_HOST`].
    pub host: Host,
    /// [`OLLAMA_MODELS`].
    pub models: PathBuf,
    /// [`OLLAMA_KEEP_ALIVE`].
    pub keep_alive: KeepAlive,
    /// [`OLLAMA_LOAD_TIMEOUT`]; `None`: no limit.
    pub load_timeout: Option<Duration>,
    /// [`OLLAMA_NUM_PARALLEL`]; `None`: what memory holds. At most [`limits::SEQUENCES_MAX`].
    pub num_parallel: Option<usize>,
    /// [`OLLAMA_MAX_LOADED_MODELS`]; `None`: what memory holds. At most [`limits::LOADED_MODELS_MAX`].
    pub max_loaded_models: Option<usize>,
    /// [`OLLAMA_MAX_QUEUE`].
    pub max_queue: usize,
    /// [`OLLAMA_CONTEXT_LENGTH`] in tokens; `None`: by memory.
    pub context_length: Option<u32>,
    /// [`OLLAMA_FLASH_ATTENTION`]; `None`: where every device supports it.
    pub flash_attention: Option<bool>,
    /// [`OLLAMA_KV_CACHE_TYPE`].
    pub kv_cache_type: KvType,
    /// [`OLLAMA_ORIGINS`], as written.
    pub origins: Vec<String>,
    /// [`OLLAMA_DEBUG`].
    pub log_level: LogLevel,
    /// [`OLLAMA_NOPRUNE`].
    pub no_prune: bool,
    /// [`OLLAMA_GO_TEMPLATE`].
    pub go_templates: Option<bool>,
    /// [`OLLAMA_NO_CLOUD`], and what Ollama's own settings say.
    pub cloud_off: CloudSwitch,
    /// How long anything on a connection may stand still.
    pub timeouts: Timeouts,
    /// A sentence for each value that made no sense and was replaced, or has no effect here.
    pub warnings: Vec<String>,
}

/// Who switched models of ollama.com off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CloudSwitch {
    /// [`OLLAMA_NO_CLOUD`] did.
    pub env: bool,
    /// `disable_ollama_cloud` in `~/.ollama/server.json` did.
    pub config: bool,
}

impl CloudSwitch {
    /// Reads the text of `server.json`; what is no such file switches nothing off.
    fn of_file(text: &str) -> bool {
        let settings: Option<serde_json::Value> = serde_json::from_str(text).ok();
        settings.is_some_and(|settings| {
            settings.get("disable_ollama_cloud").and_then(serde_json::Value::as_bool) == Some(true)
        })
    }
}

/// Deadlines of connections, in milliseconds, at least [`limits::SWEEP_MS`] each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// [`LLAMERO_READ_TIMEOUT`].
    pub read_ms: u64,
    /// [`LLAMERO_WRITE_TIMEOUT`].
    pub write_ms: u64,
    /// [`LLAMERO_DRAIN_TIMEOUT`].
    pub drain_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { read_ms: limits::READ_STALL_MS, write_ms: limits::WRITE_STALL_MS, drain_ms: limits::DRAIN_MS }
    }
}

impl Settings {
    /// Reads the environment of this process.
    pub fn from_env() -> Self {
        let mut settings = Self::from_lookup(|name| std::env::var(name).ok());
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        let file = std::fs::read_to_string(home.join(".ollama").join("server.json"));
        settings.cloud_off.config = file.is_ok_and(|text| CloudSwitch::of_file(&text));
        settings
    }

    /// Reads what `lookup` knows. Nothing fails: a value that makes no sense is replaced and told in `warnings`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let mut env = Reader { lookup, warnings: Vec::new() };
        let host_text = env.text(OLLAMA_HOST).unwrap_or_default();
        Self {
            host: Host::parse_noting(&host_text, &mut env.warnings),
            models: env.models(),
            keep_alive: match env.duration_ns(OLLAMA_KEEP_ALIVE, FIVE_MINUTES_NS) {
                ..0 => KeepAlive::Forever,
                ns => KeepAlive::For(ns as u64),
            },
            load_timeout: match env.duration_ns(OLLAMA_LOAD_TIMEOUT, FIVE_MINUTES_NS) {
                ..=0 => None,
                ns => Some(Duration::from_nanos(ns as u64)),
            },
            num_parallel: env.bounded(OLLAMA_NUM_PARALLEL, limits::SEQUENCES_MAX),
            max_loaded_models: env.bounded(OLLAMA_MAX_LOADED_MODELS, limits::LOADED_MODELS_MAX),
            max_queue: env.number(OLLAMA_MAX_QUEUE).map_or(limits::QUEUE_DEFAULT, |n| n as usize),
            context_length: env
                .number(OLLAMA_CONTEXT_LENGTH)
                .filter(|n| *n > 0)
                .map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            flash_attention: env.flag(OLLAMA_FLASH_ATTENTION),
            kv_cache_type: env.kv_type(),
            origins: env
                .text(OLLAMA_ORIGINS)
                .map_or_else(Vec::new, |text| text.split(',').map(str::to_owned).collect()),
            log_level: env.log_level(),
            no_prune: env.flag(OLLAMA_NOPRUNE).unwrap_or(false),
            go_templates: env.flag(OLLAMA_GO_TEMPLATE),
            cloud_off: CloudSwitch { env: env.flag(OLLAMA_NO_CLOUD).unwrap_or(false), config: false },
            timeouts: Timeouts {
                read_ms: env.milliseconds(LLAMERO_READ_TIMEOUT, limits::READ_STALL_MS),
                write_ms: env.milliseconds(LLAMERO_WRITE_TIMEOUT, limits::WRITE_STALL_MS),
                drain_ms: env.milliseconds(LLAMERO_DRAIN_TIMEOUT, limits::DRAIN_MS),
            },
            warnings: env.finish(),
        }
    }
}

impl Settings {
    /// What [`OLLAMA_FLASH_ATTENTION`] and [`OLLAMA_KV_CACHE_TYPE`] come to together.
    pub fn kv_cache(&self) -> KvCache {
        KvCache::of(self.flash_attention, self.kv_cache_type)
    }
}

/// The lookup, and what was wrong with its answers.
struct Reader<F> {
    lookup: F,
    warnings: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// A value without the spaces and then the quotes around it; an empty one is as good as none.
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim().trim_matches(['"', '\'']);
        if value.is_empty() { None } else { Some(value.to_owned()) }
    }

    /// A switch by Go's `ParseBool`; other text counts as true.
    fn flag(&self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        Some(!matches!(text.as_str(), "0" | "f" | "F" | "false" | "FALSE" | "False"))
    }

    /// A whole number; other text is told and ignored.
    fn number(&mut self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.warnings.push(format!("{name}={text:?} is not a whole number, using the default"));
        }
        number
    }

    /// A count of which 0 means "what memory holds".
    fn bounded(&mut self, name: &str, most: usize) -> Option<usize> {
        let number = self.number(name).filter(|n| *n > 0)?;
        if number > most as u64 {
            self.warnings.push(format!("{name}={number} is more than {most}, using {most}"));
        }
        Some(usize::try_from(number).unwrap_or(most).min(most))
    }

    /// A duration or whole seconds; other text is told, and the default serves.
    fn duration_ns(&mut self, name: &str, default_ns: i64) -> i64 {
        let Some(text) = self.text(name) else { return default_ns };
        let seconds = text.parse::<i64>().map(|seconds| seconds.saturating_mul(1_000_000_000));
        seconds.or_else(|_| duration::parse(&text)).unwrap_or_else(|error| {
            self.warnings.push(format!("{name}: {error}, using {}s", default_ns / 1_000_000_000));
            default_ns
        })
    }

    /// The name of a type in any case; other text is told, and f16 serves.
    fn kv_type(&mut self) -> KvType {
        let Some(text) = self.text(OLLAMA_KV_CACHE_TYPE) else { return KvType::default() };
        let kind = KvType::named(&text.to_lowercase());
        if kind.is_none() {
            let names = KvType::names().collect::<Vec<_>>().join(", ");
            self.warnings.push(format!("{OLLAMA_KV_CACHE_TYPE}={text:?} is none of {names}, using f16"));
        }
        let kind = kind.unwrap_or_default();
        if self.flag(OLLAMA_FLASH_ATTENTION) == Some(false) && kind.is_quantized() {
            self.warnings.push(format!("{OLLAMA_KV_CACHE_TYPE}={text} is for keys only: values need flash attention"));
        }
        kind
    }

    /// A duration of at least a sweep.
    fn milliseconds(&mut self, name: &str, default_ms: u64) -> u64 {
        let ns = self.duration_ns(name, default_ms.saturating_mul(1_000_000) as i64);
        (ns.max(0) as u64 / 1_000_000).max(limits::SWEEP_MS)
    }

    /// A number is a level; otherwise it is a switch.
    fn log_level(&self) -> LogLevel {
        let number = self.text(OLLAMA_DEBUG).and_then(|text| text.parse::<i64>().ok());
        match (number, self.flag(OLLAMA_DEBUG)) {
            (Some(2..), _) => LogLevel::Trace,
            (Some(1), _) | (None, Some(true)) => LogLevel::Debug,
            _ => LogLevel::Info,
        }
    }

    /// What was wrong with the answers, and which of them change nothing.
    fn finish(mut self) -> Vec<String> {
        for (name, why) in WITHOUT_EFFECT {
            if self.text(name).is_some() {
                self.warnings.push(format!("{name} has no effect: {why}"));
            }
        }
        self.warnings
    }

    fn models(&self) -> PathBuf {
        match self.text(OLLAMA_MODELS) {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from((self.lookup)("HOME").unwrap_or_default()).join(".ollama").join("models"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Settings {
        Settings::from_lookup(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        let settings = with(&[("HOME", "/home/ana")]);
        let want = Settings {
            host: Host::parse("127.0.0.1:11434"),
            models: PathBuf::from("/home/ana/.ollama/models"),
            keep_alive: KeepAlive::For(300_000_000_000),
            load_timeout: Some(Duration::from_secs(300)),
            num_parallel: None,
            max_loaded_models: None,
            max_queue: 512,
            context_length: None,
            flash_attention: None,
            kv_cache_type: KvType::F16,
            origins: Vec::new(),
            log_level: LogLevel::Info,
            no_prune: false,
            go_templates: None,
            cloud_off: CloudSwitch::default(),
            timeouts: Timeouts::default(),
            warnings: Vec::new(),
        };
        assert_eq!(settings, want);
    }

    #[test]
    fn spaces_then_quotes_are_cut_off() {
        let settings = with(&[(OLLAMA_MODELS, "  \"/srv/models\" "), (OLLAMA_KV_CACHE_TYPE, "'Q8_0'")]);
        assert_eq!(settings.models, PathBuf::from("/srv/models"));
        assert_eq!(settings.kv_cache_type, KvType::Q8_0);
    }

    #[test]
    fn keep_alive_takes_durations_and_seconds() {
        let table = [
            ("10m", KeepAlive::For(600_000_000_000)),
            ("90", KeepAlive::For(90_000_000_000)),
            ("0", KeepAlive::For(0)),
            ("0s", KeepAlive::For(0)),
            ("-1", KeepAlive::Forever),
            ("-1m", KeepAlive::Forever),
            ("soon", KeepAlive::For(300_000_000_000)),
        ];
        for (text, want) in table {
            assert_eq!(with(&[(OLLAMA_KEEP_ALIVE, text)]).keep_alive, want, "{text}");
        }
        assert_eq!(with(&[(OLLAMA_LOAD_TIMEOUT, "0")]).load_timeout, None);
        assert_eq!(with(&[(OLLAMA_LOAD_TIMEOUT, "30s")]).load_timeout, Some(Duration::from_secs(30)));
    }

    #[test]
    fn switches_follow_parse_bool() {
        for (text, want) in [("1", true), ("true", true), ("T", true), ("0", false), ("False", false), ("maybe", true)]
        {
            assert_eq!(with(&[(OLLAMA_FLASH_ATTENTION, text)]).flash_attention, Some(want), "{text}");
        }
        assert_eq!(with(&[(OLLAMA_FLASH_ATTENTION, "")]).flash_attention, None);
        assert!(with(&[(OLLAMA_NOPRUNE, "yes")]).no_prune);
    }

    #[test]
    fn the_kv_memory_follows_two_variables() {
        let settings = with(&[(OLLAMA_KV_CACHE_TYPE, "Q4_0"), (OLLAMA_FLASH_ATTENTION, "0")]);
        assert_eq!(settings.kv_cache(), KvCache::of(Some(false), KvType::Q4_0));
        assert_eq!(settings.warnings, ["OLLAMA_KV_CACHE_TYPE=Q4_0 is for keys only: values need flash attention"]);
        let settings = with(&[(OLLAMA_KV_CACHE_TYPE, "q9")]);
        assert_eq!(settings.kv_cache(), KvCache::default());
        let names = "f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl";
        assert_eq!(settings.warnings, [format!("OLLAMA_KV_CACHE_TYPE=\"q9\" is none of {names}, using f16")]);
    }

    #[test]
    fn log_levels() {
        for (text, want) in [
            ("0", LogLevel::Info),
            ("false", LogLevel::Info),
            ("1", LogLevel::Debug),
            ("true", LogLevel::Debug),
            ("2", LogLevel::Trace),
        ] {
            assert_eq!(with(&[(OLLAMA_DEBUG, text)]).log_level, want, "{text}");
        }
    }

    #[test]
    fn numbers_are_bounded_and_nonsense_is_told() {
        let settings = with(&[
            (OLLAMA_NUM_PARALLEL, "9999"),
            (OLLAMA_MAX_LOADED_MODELS, "0"),
            (OLLAMA_MAX_QUEUE, "many"),
            (OLLAMA_CONTEXT_LENGTH, "8192"),
            (OLLAMA_ORIGINS, "https://a.example, http://b"),
            (OLLAMA_HOST, "a:b"),
            (OLLAMA_KEEP_ALIVE, "soon"),
        ]);
        assert_eq!(settings.num_parallel, Some(limits::SEQUENCES_MAX));
        assert_eq!(settings.max_loaded_models, None);
        assert_eq!(settings.max_queue, 512);
        assert_eq!(settings.context_length, Some(8192));
        assert_eq!(settings.origins, ["https://a.example", " http://b"]);
        assert_eq!(
            settings.warnings,
            [
                "invalid port \"b\" in OLLAMA_HOST, using 11434",
                "OLLAMA_KEEP_ALIVE: time: invalid duration \"soon\", using 300s",
                "OLLAMA_NUM_PARALLEL=9999 is more than 256, using 256",
                "OLLAMA_MAX_QUEUE=\"many\" is not a whole number, using the default",
            ]
        );
    }

    #[test]
    fn variables_without_effect_are_told_when_they_are_set() {
        let settings = with(&[("OLLAMA_SCHED_SPREAD", "1"), ("OLLAMA_VULKAN", " "), (OLLAMA_NO_CLOUD, "1")]);
        assert_eq!(settings.warnings, ["OLLAMA_SCHED_SPREAD has no effect: models are not spread over devices yet"]);
        assert_eq!(settings.cloud_off, CloudSwitch { env: true, config: false });
        assert_eq!(with(&[(OLLAMA_GO_TEMPLATE, "0")]).go_templates, Some(false));
        assert!(CloudSwitch::of_file("{\"disable_ollama_cloud\": true}"));
        assert!(!CloudSwitch::of_file("{\"disable_ollama_cloud\": 1}") && !CloudSwitch::of_file("?"));
    }

    #[test]
    fn the_help_names_every_variable_once() {
        let mut names: Vec<_> = HELP.iter().map(|(name, _)| *name).collect();
        names.dedup();
        assert_eq!(names.len(), 18);
    }
}
