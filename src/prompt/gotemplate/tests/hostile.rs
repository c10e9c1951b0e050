//! Templates that would take all time, memory or stack. Everything runs on a small stack.

use std::thread;

use super::super::{ParseError, RenderError, Template};
use super::whole;
use crate::config::limits::{GO_TEMPLATE_NODES_MAX, LAYER_TEXT_BYTES, TEMPLATE_DEPTH_MAX};

/// Half of what a thread of ours has.
const STACK_BYTES: usize = 1 << 20;

fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(test).expect("a thread").join().expect("no panic");
}

fn nested(before: &str, inner: &str, after: &str, times: usize) -> String {
    [before.repeat(times), inner.to_owned(), after.repeat(times)].concat()
}

/// A template that is as deep as it may be, of each kind.
fn deepest(times: usize) -> [String; 4] {
    [
        format!("{{{{ {} }}}}", nested("(print ", "1", ")", times)),
        nested("{{ if 1 }}", "x", "{{ end }}", times),
        nested("{{ with 1 }}{{ range 1 }}", "x", "{{ end }}{{ end }}", times / 2),
        format!("{{{{ if 0 }}}}{}{{{{ else }}}}x{{{{ end }}}}", "{{ else if 0 }}".repeat(times - 1)),
    ]
}

#[test]
fn depth_of_the_text() {
    on_a_small_stack(|| {
        for template in deepest(TEMPLATE_DEPTH_MAX) {
            let parsed = Template::parse(&template).expect("just fits");
            assert_eq!(parsed.clone(), parsed);
            assert!(matches!(whole(&template).as_deref(), Ok("1" | "x")), "{template:.60}");
        }
        for template in deepest(TEMPLATE_DEPTH_MAX + 2).iter().chain(&deepest(100_000)) {
            assert_eq!(Template::parse(template), Err(ParseError::TooDeep), "{template:.60}");
        }
    });
}

#[test]
fn depth_of_the_calls() {
    on_a_small_stack(|| {
        assert_eq!(
            whole(
                r#"{{ define "t" }}{{ if . }}{{ template "t" slice . 1 }}{{ end }}x{{ end }}{{ template "t" "abc" }}"#
            ),
            Ok("xxxx".to_owned())
        );
        let body = nested("{{ with . }}", r#"{{ template "t" . }}"#, "{{ end }}", 150);
        for body in [r#"{{ template "t" . }}"#, &body] {
            let template = format!(r#"{{{{ define "t" }}}}{body}{{{{ end }}}}{{{{ template "t" . }}}}"#);
            assert_eq!(whole(&template), Err(RenderError::TooDeep));
        }
    });
}

#[test]
fn steps() {
    assert_eq!(whole("{{ range 1000000000000 }}{{ end }}"), Err(RenderError::TooManySteps));
    // A step for each variable that is passed over, in the end.
    let many =
        format!("{{{{ $x := 1 }}}}{}{{{{ range 10000000 }}}}{{{{ $x = 2 }}}}{{{{ end }}}}", "{{$y := 1}}".repeat(9999));
    assert_eq!(whole(&many), Err(RenderError::TooManySteps));
}

#[test]
fn text() {
    for template in [
        // 2 to the 40.
        r#"{{ $x := "x" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}"#,
        r#"{{ $x := "x" }}{{ range 40 }}{{ $x = html $x $x }}{{ end }}"#,
        r#"{{ range 1000000000 }}{{ printf "%1000000d" . }}{{ end }}"#,
        r#"{{ range 1000000000 }}{{ $x := printf "%1000000d" . }}{{ end }}"#,
        r#"{{ range 1000000000 }}{{ $x := printf "%.1000000f" 0.5 }}{{ end }}"#,
        r#"{{ $x := printf "%900000s" "" }}{{ range 1000000000 }}{{ $y := slice $x 1 }}{{ end }}"#,
        r#"{{ $x := printf "%900000s" "" }}{{ range 1000000000 }}{{ $x }}{{ end }}"#,
    ] {
        assert_eq!(whole(template), Err(RenderError::TooLong), "{template}");
    }
    let format = "%1000000d".repeat(1000);
    assert_eq!(whole(&format!(r#"{{{{ printf "{format}" }}}}"#)).map(|text| text.len()), Ok(12_000));
    assert_eq!(whole(&format!(r#"{{{{ printf "{format}" {}}}}}"#, "1 ".repeat(1000))), Err(RenderError::TooLong));
    // Comparing long texts costs steps too.
    let compares = r#"{{ $x := printf "%900000s" "" }}{{ range 1000000 }}{{ if eq $x $x }}{{ end }}{{ end }}"#;
    assert_eq!(whole(compares), Err(RenderError::TooManySteps));
}

#[test]
fn size_of_the_text() {
    let long = "x".repeat(LAYER_TEXT_BYTES as usize);
    assert!(Template::parse(&long).is_ok());
    assert_eq!(Template::parse(&format!("{long}x")), Err(ParseError::TooLong));
    assert_eq!(Template::parse(&"{{1}}".repeat(GO_TEMPLATE_NODES_MAX)), Err(ParseError::TooManyParts));
    let fields = format!("{{{{ {} }}}}", ".a".repeat(GO_TEMPLATE_NODES_MAX));
    assert_eq!(Template::parse(&fields), Err(ParseError::TooManyParts));
    let declarations = "{{$a:=1}}{{$a}}".repeat(GO_TEMPLATE_NODES_MAX / 8);
    assert!(Template::parse(&declarations).is_ok());
}
