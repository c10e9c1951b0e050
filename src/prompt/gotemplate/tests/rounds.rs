//! Ollama's layer where the records say nothing: cases that Ollama itself answers with a crash, dates, and errors.

use super::super::{ParseError, RenderError, Template};
use super::{message, render, whole};

#[test]
fn a_response_inside_a_branch_with_an_else() {
    // Ollama panics on these: the branch loses its else, as everything behind the response is lost.
    let messages = [message("user", "a"), message("assistant", "r")];
    for (template, want) in [
        ("{{ .Prompt }}{{ if .Prompt }}<{{ .Response }}>{{ else }}none{{ end }}!", "a<r"),
        ("{{ .Prompt }}{{ if .System }}<{{ .Response }}>{{ else }}none{{ end }}!", "a"),
        ("{{ .Prompt }}{{ range 2 }}{{ with $ }}{{ .Response }}{{ else }}b{{ end }}c{{ end }}!", "arr"),
    ] {
        assert_eq!(render(template, &messages).as_deref(), Ok(want), "{template}");
    }
}

#[test]
fn dates() {
    assert_eq!(whole("{{ currentDate }} {{ yesterdayDate \"2006\" }}"), Ok("2026-11-22 2026-11-21".to_owned()));
}

#[test]
fn errors_say_where() {
    let error = |template: &str| Template::parse(template).map(drop);
    let syntax = |line, message: &str| Err(ParseError::Syntax { line, message: message.to_owned() });
    assert_eq!(error("a\n{{ nofunc 1 }}"), syntax(2, "function \"nofunc\" not defined"));
    assert_eq!(error("{{ .Prompt"), syntax(1, "unclosed action"));
    assert_eq!(error("a\n{{ print\n\n"), syntax(4, "unclosed action started at :2"));
    assert_eq!(error("{{ if }}"), syntax(1, "missing value for if"));
    assert_eq!(error("{{ end }}"), syntax(1, "unexpected {{end}}"));
    assert_eq!(error("{{ .a ^ }}"), syntax(1, "unexpected \"^\" in operand"));
    assert_eq!(error("{{ template \"x\" }}"), Err(ParseError::UndefinedTemplate));
    let text = error("{{ \"abc }}").expect_err("no template").to_string();
    assert_eq!(text, "template: :1: unterminated quoted string");

    let failed = render("{{ range .Messages }}\n  {{ .Nope }}{{ end }}", &[message("user", "a")]);
    let message = "can't evaluate field Nope in type *template.templateMessage".to_owned();
    assert_eq!(failed, Err(RenderError::Failed { line: 2, column: 5, message }));
}
