//! What Ollama gets wrong, and random Modelfiles. The recorded rows are among the goldens.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::config::limits::{MODELFILE_BYTES, MODELFILE_COMMANDS_MAX};
use crate::model::Message;

#[test]
fn parameters_take_what_their_types_allow() {
    for (name, texts, want) in [
        ("temperature", &["0.7"][..], Some(json!(0.7))),
        ("top_p", &[".5"], Some(json!(0.5))),
        ("min_p", &["inf"], None),
        ("repeat_penalty", &["NaN"], None),
        ("repeat_penalty", &["1e39"], None),
        ("seed", &["+42"], Some(json!(42))),
        ("seed", &["9223372036854775808"], None),
        ("num_gpu", &["-1", "2"], Some(json!(-1))),
        ("use_mmap", &["F"], Some(json!(false))),
        ("use_mmap", &["yes"], None),
        ("stop", &["a", ""], Some(json!(["a", ""]))),
        ("stop", &[], Some(json!([]))),
        ("top_k", &[], None),
        ("Temperature", &["1"], None),
    ] {
        assert_eq!(typed(name, texts).ok(), want, "{name} {texts:?}");
    }
    let error = typed("top_k", &["a", "b"]).unwrap_err();
    assert_eq!(error.to_string(), "invalid int value [a b]");
}

/// Where Ollama is plainly wrong: each row would be refused, or come to something else, there.
#[test]
fn what_ollama_gets_wrong() {
    let of = |text: &str| text.parse::<Modelfile>().unwrap().commands;
    // More than one space in front of a parameter's name or a role.
    let spaced = of("FROM m\nPARAMETER  \ttop_k  7\nMESSAGE  user hi");
    assert_eq!(spaced[1], Command::Parameter { name: "top_k".to_owned(), value: "7".to_owned() });
    assert_eq!(spaced[2], Command::Message { role: "user".to_owned(), content: "hi".to_owned() });
    // Joiners inside a word, which are not printable in Go's eyes.
    let joined = "SYSTEM \u{6cc}\u{200c}\u{6a9} \u{1f469}\u{200d}\u{1f680}\u{a0}x";
    assert_eq!(of(&format!("FROM m\n{joined}"))[1].to_string(), joined);
    // CR LF counts as one line.
    let error = "FROM m\r\nSYSTEM a\r\nBOGUS x".parse::<Modelfile>().unwrap_err();
    assert_eq!(error, ModelfileError::Command { line: 3 });
    // Quotes that the canonical form needs, and has not got in Ollama's.
    for value in ["\"a\"", "\"a", "\ta", "a\rb", "\"", "a\n\"", "\"\"\"", "\"\"\"\"\"\""] {
        for command in [Command::From(value.to_owned()), Command::System(value.to_owned())] {
            let file = Modelfile { commands: vec![command, Command::From("m".to_owned())] };
            assert_eq!(file.to_string().parse(), Ok(file.clone()), "{value:?}");
        }
    }
}

#[test]
fn encodings() {
    let want = "FROM m\nSYSTEM é\u{1f999}".parse::<Modelfile>().unwrap();
    let text = "FROM m\nSYSTEM é\u{1f999}\n";
    let wide = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        [&mark[..], &text.encode_utf16().flat_map(bytes).collect::<Vec<_>>()].concat()
    };
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        wide([0xff, 0xfe], u16::to_le_bytes),
        wide([0xfe, 0xff], u16::to_be_bytes),
    ] {
        assert_eq!(Modelfile::parse(&bytes), Ok(want.clone()));
    }
    let system = |bytes: &[u8]| Modelfile::parse(bytes).unwrap().commands[1].to_string();
    assert_eq!(system(b"FROM m\nSYSTEM a\xffb\x00\x1bc"), "SYSTEM a\u{fffd}bc");
    assert_eq!(
        system(b"\xff\xfeF\0R\0O\0M\0 \0m\0\n\0S\0Y\0S\0T\0E\0M\0 \0\x00\xd8a\0\x61"),
        "SYSTEM \u{fffd}a\u{fffd}"
    );
}

#[test]
fn cut_off_and_unknown_commands() {
    for (text, want) in [
        ("", "no FROM line"),
        ("# FROM m", "no FROM line"),
        ("FROM", "unexpected EOF"),
        ("FROM m\nPARAMETER top-k 1", "unexpected EOF: top"),
        ("FROM m\nPARAMETER \n", "unexpected EOF: "),
        ("FROM m\nMESSAGE user\nhi", "unexpected EOF: user"),
        ("FROM m\nMESSAGE User hi", "(line 2): message role must be one of \"system\", \"user\", or \"assistant\""),
        ("FROM m\nSYSTEM \"\"\"a\"\"", "unexpected EOF"),
        ("FROM m\nSYSTEM \"", "unexpected EOF"),
    ] {
        assert_eq!(text.parse::<Modelfile>().unwrap_err().to_string(), want, "{text:?}");
    }
    let long = format!("FROM m\nPARAMETER {}\n", "a".repeat(1000));
    assert_eq!(long.parse::<Modelfile>(), Err(ModelfileError::NoValue("a".repeat(64))));
    for text in ["FROM m\n\"FROM\" m", "FROM m\n7 x", "FROM m\né x"] {
        assert_eq!(text.parse::<Modelfile>(), Err(ModelfileError::Command { line: 2 }), "{text:?}");
    }
}

#[test]
fn bounds() {
    let length = MODELFILE_BYTES as usize + 1;
    assert_eq!(Modelfile::parse(&vec![b'\n'; length]), Err(ModelfileError::TooLong(length as u64)));
    let many = "FROM m\n".repeat(MODELFILE_COMMANDS_MAX);
    assert_eq!(many.parse::<Modelfile>().unwrap().commands.len(), MODELFILE_COMMANDS_MAX);
    assert_eq!(format!("{many}FROM m").parse::<Modelfile>(), Err(ModelfileError::TooManyCommands));
    // Millions of empty lines in a quote: this would take hours if each were looked at from the start.
    let empty = format!("FROM m\nSYSTEM \"{}\"", "\n".repeat(4 << 20));
    assert_eq!(empty.parse::<Modelfile>().unwrap().commands[1], Command::System("\n".repeat(4 << 20)));
}

#[test]
fn parts_of_a_request() {
    let text = "FROM a\nFROM ./b.gguf\nADAPTER ad\nDRAFT dr\nTEMPLATE one\nTEMPLATE two\nSYSTEM s\nRENDERER r\nPARSER p\n\
        REQUIRES v0.14.0\nLICENSE l1\nLICENSE l2\nPARAMETER stop x\nPARAMETER stop y\nPARAMETER top_k 1\n\
        PARAMETER top_k 2\nPARAMETER mirostat 1\nMESSAGE user u\nMESSAGE assistant a: b";
    let parts = text.parse::<Modelfile>().unwrap().parts().unwrap();
    let text = |text: &str| Some(text.to_owned());
    let message = |role: &str, content: &str| Message {
        role: role.to_owned(),
        content: content.to_owned(),
        ..Message::default()
    };
    let want = Parts {
        from: vec!["a".to_owned(), "./b.gguf".to_owned()],
        adapters: vec!["ad".to_owned()],
        drafts: vec!["dr".to_owned()],
        template: text("two"),
        system: text("s"),
        licenses: vec!["l1".to_owned(), "l2".to_owned()],
        renderer: text("r"),
        parser: text("p"),
        requires: text("0.14.0"),
        parameters: Map::from_iter([("stop".to_owned(), json!(["x", "y"])), ("top_k".to_owned(), json!(2))]),
        messages: vec![message("user", "u"), message("assistant", "a: b")],
        deprecated: vec!["mirostat".to_owned()],
    };
    assert_eq!(parts, want);
    let error = |line: &str| format!("FROM m\n{line}").parse::<Modelfile>().unwrap().parts().unwrap_err().to_string();
    assert_eq!(error("PARAMETER nope 3"), "unknown parameter 'nope'");
    assert_eq!(error("PARAMETER top_k ten"), "invalid int value [ten]");
    assert_eq!(error("REQUIRES new"), "requires must be a valid semver (e.g. 0.14.0)");
}

/// As Go's `semver` judges, short forms included.
#[test]
fn versions() {
    let valid = |text: &str| format!("FROM m\nREQUIRES {text}").parse::<Modelfile>().unwrap().parts().is_ok();
    for good in ["0.14.0", "v1", "1.2", "1.2.3-rc.1+build.01", "1.0.0-0", "1.0.0+b"] {
        assert!(valid(good), "{good}");
    }
    for bad in ["", "x", "01.2.3", "1.2.3.4", "1.2-rc1", "1.2.3-01", "1.2.3-", "1.2.3+", "1..3", "vv1", "1.2.3-a..b"] {
        assert!(!valid(bad), "{bad}");
    }
}

/// The `modelfile` and the `parameters` that were recorded for the model `mario`; parameters come in any order there.
#[test]
fn a_stored_model_is_shown_as_recorded() {
    let parameters = json!({"stop": ["##"], "num_ctx": 2048, "temperature": 0, "top_k": 7});
    let message = |role: &str, content: &str| Message {
        role: role.to_owned(),
        content: content.to_owned(),
        ..Message::default()
    };
    let stored = Stored {
        weights: "/m/blobs/sha256-1",
        adapters: &[],
        draft: None,
        projectors: &[],
        template: "{{ .Prompt }}",
        system: Some("You always answer in UPPERCASE."),
        renderer: None,
        parser: None,
        parameters: parameters.as_object().unwrap(),
        licenses: &["MIT".to_owned(), "Apache".to_owned()],
        messages: &[message("user", "hello"), message("assistant", "HELLO")],
    };
    let want = "# Modelfile generated by \"ollama show\"\n\
        # To build a new Modelfile based on this, replace FROM with:\n# FROM mario:latest\n\nFROM /m/blobs/sha256-1\n\
        TEMPLATE {{ .Prompt }}\nSYSTEM You always answer in UPPERCASE.\nPARAMETER num_ctx 2048\nPARAMETER stop ##\n\
        PARAMETER temperature 0\nPARAMETER top_k 7\nLICENSE MIT\nLICENSE Apache\nMESSAGE user hello\n\
        MESSAGE assistant HELLO\n";
    assert_eq!(Modelfile::of(&stored).shown("mario:latest"), want);
    let want = "num_ctx                        2048\nstop                           \"##\"\n\
        temperature                    0\ntop_k                          7";
    assert_eq!(parameters_text(stored.parameters, |text| format!("\"{text}\"")), want);
    assert_eq!(parameters_text(&Map::new(), str::to_owned), "");

    let more = ["p1".to_owned(), "p2".to_owned()];
    let extras = Stored {
        adapters: &more[..1],
        draft: Some("d"),
        projectors: &more,
        system: Some(""),
        renderer: Some("r"),
        parser: Some("p"),
        licenses: &[],
        messages: &[],
        ..stored
    };
    let text = Modelfile::of(&extras).to_string();
    let head =
        "FROM /m/blobs/sha256-1\nADAPTER p1\nDRAFT d\nFROM p1\nFROM p2\nTEMPLATE {{ .Prompt }}\nRENDERER r\nPARSER p\n";
    assert!(text.starts_with(head), "{text}");
}

/// In the text of parameters as Go prints them; in a Modelfile so that they can be read again.
#[test]
fn numbers_are_shown_as_go_prints_them() {
    for (value, go, plain) in [
        (json!(4096), "4096", "4096"),
        (json!(0.7), "0.7", "0.7"),
        (json!(-1), "-1", "-1"),
        (json!(4096.0), "4096", "4096"),
        (json!(999_999), "999999", "999999"),
        (json!(1_000_000), "1e+06", "1000000"),
        (json!(1_048_576), "1.048576e+06", "1048576"),
        (json!(0.0001), "0.0001", "0.0001"),
        (json!(0.00001), "1e-05", "0.00001"),
        (json!(true), "true", "true"),
        (Value::Null, "<nil>", "<nil>"),
    ] {
        let parameters = Map::from_iter([("seed".to_owned(), value)]);
        assert_eq!(parameters_text(&parameters, str::to_owned), format!("{:<30} {go}", "seed"));
        let stored = Stored {
            weights: "m",
            adapters: &[],
            draft: None,
            projectors: &[],
            template: "t",
            system: None,
            renderer: None,
            parser: None,
            parameters: &parameters,
            licenses: &[],
            messages: &[],
        };
        assert_eq!(Modelfile::of(&stored).to_string(), format!("FROM m\nTEMPLATE t\nPARAMETER seed {plain}\n"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text that is a Modelfile has a canonical form that is the same one.
    #[test]
    fn the_canonical_form_reads_back(
        lines in prop::collection::vec((
            prop::sample::select(vec![
                "FROM ", "SYSTEM ", "template\t", "LICENSE ", "PARAMETER stop ", "MESSAGE user ", "# ", "", " adapter ",
            ]),
            "[ab \t\"\n\r#:\u{a0}\u{3000}]{0,12}",
            prop::sample::select(vec!["\n", "\r\n", "\"\n", "\"\"\"\n", "\n\"\"\"\n"]),
        ), 0..6),
    ) {
        let text: String = lines.iter().flat_map(|(word, value, end)| [*word, value, end]).collect();
        let text = format!("FROM m\n{text}");
        if let Ok(file) = text.parse::<Modelfile>() {
            let canonical = file.to_string();
            prop_assert_eq!(canonical.parse(), Ok(file), "{:?}", canonical);
        }
    }

    /// Any value without three quotes in it, and any bytes at all.
    #[test]
    fn values_read_back_and_bytes_do_not_panic(
        value in "[^\\p{Cc}\"]{0,10}(\"{0,2}[a\n\t ]?[^\\p{Cc}\"]){0,6}",
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let file = Modelfile { commands: vec![Command::From("m".to_owned()), Command::System(value)] };
        prop_assert_eq!(file.to_string().parse(), Ok(file.clone()), "{}", file);
        _ = Modelfile::parse(&bytes);
    }
}
