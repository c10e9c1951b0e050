//! Scenario files: TOML whose steps have the names of flags. Each step becomes a command line, so that defaults,
//! bounds and contradictions are those of the flags.

use clap::{CommandFactory, Parser};
use serde::Deserialize;
use toml::{Table, Value};

use crate::args::Cli;
use crate::found::Task;

/// Longest file.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most steps, lists taken apart.
const STEPS_MAX: usize = 200;
/// Commands that a step may be.
const COMMANDS: &[&str] = &["run", "compare", "sweep"];
/// Flags of which a command takes one: a step's own takes the place of a default's.
const RIVALS: &[(&str, &str)] = &[
    ("concurrency", "rate"),
    ("requests", "duration"),
    ("mix", "prompts"),
    ("fresh", "requests-per-connection"),
    ("levels", "to"),
    ("levels", "tries"),
];
/// Flags that are the scenario's own.
const NOT_IN_STEPS: &[&str] = &["json", "html", "quiet"];

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Option<String>,
    #[serde(default)]
    defaults: Table,
    step: Vec<Table>,
}

/// A scenario that can be carried out.
#[derive(Debug)]
pub struct Plan {
    /// What it is called.
    pub title: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// What it is called; several have the same name where a list was taken apart.
    pub name: String,
    /// The member of the list, as in `concurrency 16`; empty without one.
    pub member: String,
    /// The command.
    pub command: String,
    /// What to do.
    pub task: Task,
}

/// Reads a scenario. `over` wins over what the file says.
///
/// # Errors
/// The sentence to tell.
pub fn read(text: &str, over: &Table) -> Result<Plan, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let mut steps = Vec::new();
    for (number, table) in file.step.into_iter().enumerate() {
        let fail = |why: String| format!("step {}: {why}", number + 1);
        steps.extend(step(&file.defaults, table, over, number).map_err(fail)?);
        if steps.len() > STEPS_MAX {
            return Err(format!("more than {STEPS_MAX} steps"));
        }
    }
    if steps.is_empty() {
        return Err("there is no [[step]]".to_owned());
    }
    Ok(Plan { title: file.title.unwrap_or_else(|| "scenario".to_owned()), steps })
}

fn step(defaults: &Table, mut own: Table, over: &Table, number: usize) -> Result<Vec<Step>, String> {
    let mut word = |key: &str, otherwise: &str| match own.remove(key) {
        None => Ok(otherwise.to_owned()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("{key} is no text")),
    };
    let command = word("command", "run")?;
    let name = word("name", &format!("step {}", number + 1))?;
    if !COMMANDS.contains(&command.as_str()) {
        return Err(format!("command {command:?} is none of {}", COMMANDS.join(", ")));
    }
    let flags = laid_over(defaults, &own, over, &command)?;
    if let Some(flag) = NOT_IN_STEPS.iter().find(|flag| flags.contains_key(**flag)) {
        return Err(format!("{flag} belongs to the whole scenario: give it as --{flag}"));
    }
    let members = taken_apart(&flags)?;
    let task = |flags: &Table| {
        let mut words = vec!["llamero-loadtest".to_owned(), command.clone()];
        for (key, value) in flags {
            words.extend(said(key, value)?);
        }
        let cli = Cli::try_parse_from(words).map_err(|error| first_lines(&error.to_string()))?;
        Task::of(cli.command).ok_or_else(|| "this command does not measure".to_owned())
    };
    let steps = members
        .into_iter()
        .map(|(member, flags)| Ok(Step { name: name.clone(), member, command: command.clone(), task: task(&flags)? }));
    steps.collect()
}

/// Flags of the defaults, of the step and of the command line, each over the one before. Of the first and the last
/// only those that the command has.
fn laid_over(defaults: &Table, own: &Table, over: &Table, command: &str) -> Result<Table, String> {
    let mut flags = Table::new();
    let mut lay = |table: &Table, only_known: bool| {
        for (key, value) in table {
            if only_known && !has_flag(command, key) {
                if !COMMANDS.iter().any(|command| has_flag(command, key)) {
                    return Err(format!("no command has a flag --{key}"));
                }
                continue;
            }
            for (one, other) in RIVALS {
                let rival = if key == one { Some(*other) } else { (key == other).then_some(*one) };
                // Inside one table a contradiction is the writer's, and clap tells of it.
                if let Some(rival) = rival.filter(|rival| !table.contains_key(*rival)) {
                    flags.remove(rival);
                }
            }
            flags.insert(key.clone(), value.clone());
        }
        Ok(())
    };
    lay(defaults, true)?;
    lay(own, false)?;
    lay(over, true)?;
    Ok(flags)
}

fn has_flag(command: &str, flag: &str) -> bool {
    let cli = Cli::command();
    let Some(command) = cli.find_subcommand(command) else { return false };
    command.get_arguments().any(|argument| argument.get_long() == Some(flag))
}

/// One table for each combination of the lists' members, and what it is called.
fn taken_apart(flags: &Table) -> Result<Vec<(String, Table)>, String> {
    let mut found = vec![(String::new(), flags.clone())];
    for (key, value) in flags {
        let Value::Array(members) = value else { continue };
        if key == "fail-if" || key == "levels" {
            continue;
        }
        let mut next = Vec::new();
        for (name, table) in &found {
            for member in members {
                let mut table = table.clone();
                table.insert(key.clone(), member.clone());
                let part = format!("{key} {}", text(member)?);
                let name = if name.is_empty() { part } else { format!("{name}, {part}") };
                next.push((name, table));
            }
        }
        found = next;
        if found.len() > STEPS_MAX {
            return Err(format!("its lists make more than {STEPS_MAX} steps"));
        }
    }
    Ok(found)
}

/// A flag as words of a command line.
fn said(key: &str, value: &Value) -> Result<Vec<String>, String> {
    Ok(match value {
        Value::Boolean(true) => vec![format!("--{key}")],
        Value::Boolean(false) => Vec::new(),
        Value::Array(members) if key == "levels" => {
            let members = members.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            vec![format!("--{key}={}", members.join(","))]
        }
        Value::Array(members) => {
            let word = |member: &Value| Ok(format!("--{key}={}", text(member)?));
            members.iter().map(word).collect::<Result<_, String>>()?
        }
        other => vec![format!("--{key}={}", text(other)?)],
    })
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err(format!("a {} is neither a text nor a number", value.type_str())),
    }
}

/// What clap says without its advice on usage.
fn first_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage"));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        title = "two of them"
        [defaults]
        url = "http://h:1"
        vs = "http://h:2"
        concurrency = 4
        duration = "3s"
        [[step]]
        name = "chat"
        api = "chat"
        concurrency = [1, 16]
        fail-if = ["errors>0", "ttft_ms.p99>500"]
        fresh = true
        epoll = false
        [[step]]
        command = "compare"
        requests = 7
        [[step]]
        command = "sweep"
        rate = 1.5
        levels = [1.5, 4]
    "#;

    fn plan(over: &[(&str, &str)]) -> Plan {
        let over = over.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        read(GOOD, &over).unwrap()
    }

    #[test]
    fn steps_are_command_lines() {
        let plan = plan(&[]);
        let named: Vec<_> = plan.steps.iter().map(|step| (step.name.as_str(), step.member.as_str())).collect();
        assert_eq!(named, [("chat", "concurrency 1"), ("chat", "concurrency 16"), ("step 2", ""), ("step 3", "")]);
        let Task::Run(run) = &plan.steps[1].task else { unreachable!() };
        assert_eq!((run.concurrency, run.judge.fail_if.len(), run.fresh, run.epoll), (16, 2, true, false));
        assert_eq!((run.url.as_str(), run.duration.map(|time| time.as_secs())), ("http://h:1", Some(3)));
        let Task::Compare(compare) = &plan.steps[2].task else { unreachable!() };
        assert_eq!((compare.vs.as_str(), compare.run.requests, compare.run.duration), ("http://h:2", Some(7), None));
        let Task::Sweep(sweep) = &plan.steps[3].task else { unreachable!() };
        assert_eq!((sweep.run.rate, sweep.levels.as_slice()), (Some(1.5), &[1.5, 4.0][..]), "its rate, no clients");
    }

    #[test]
    fn the_command_line_wins() {
        let plan = plan(&[("vs", "http://other:3"), ("duration", "9s")]);
        let Task::Compare(compare) = &plan.steps[2].task else { unreachable!() };
        assert_eq!((compare.vs.as_str(), compare.run.requests), ("http://other:3", None));
        assert_eq!(compare.run.duration.map(|time| time.as_secs()), Some(9));
    }

    #[test]
    fn the_scenarios_that_ship_can_be_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/loadtest");
        let mut read_well = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let plan = read(&std::fs::read_to_string(&path).unwrap(), &Table::new());
            assert!(plan.as_ref().is_ok_and(|plan| plan.steps.len() >= 3), "{path:?}: {:?}", plan.err());
            read_well += 1;
        }
        assert!(read_well >= 4);
    }

    #[test]
    fn mistakes_are_told() {
        for (text, part) in [
            ("", "step"),
            ("step = []", "there is no [[step]]"),
            ("[[step]]\ncommand = \"fly\"", "\"fly\" is none of run, compare, sweep"),
            ("[[step]]\nname = 5", "name is no text"),
            ("[[step]]\nconcurency = 5", "step 1: unexpected argument '--concurency'"),
            ("[defaults]\nconcurency = 5\n[[step]]", "no command has a flag --concurency"),
            ("[[step]]\nrate = 5\nconcurrency = 2", "cannot be used with"),
            ("[[step]]\njson = \"a\"", "belongs to the whole scenario"),
            ("[[step]]\nurl = {a = 1}", "neither a text nor a number"),
            ("[[step]]\ncommand = \"compare\"", "--vs"),
            ("tittle = \"a\"\n[[step]]", "unknown field"),
            ("[[step]]\nconcurrency = [1,2,3,4,5,6,7,8,9]\nseed = [1,2,3,4,5,6,7,8,9]\nbatch=[1,2,3]", "more than 200"),
        ] {
            let error = read(text, &Table::new()).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
