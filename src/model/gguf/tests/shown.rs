//! What a `show` prints of a header, against what Ollama printed of llamita and against Go's rules.

use std::slice;

use serde_json::Value as Json;

use super::*;
use crate::model::json;

fn text_of(value: &impl serde::Serialize) -> String {
    String::from_utf8(json::to_vec(value).unwrap()).unwrap()
}

/// Ollama's quantizer, which rewrote the file, added a key and sorted the tensors; all else is as it was.
#[test]
fn llamita_is_shown_as_ollama_shows_it() {
    let recorded: Json = serde_json::from_str(include_str!("../../../../tests/data/llamita/show.json")).unwrap();
    let bytes = llamita();
    for (arrays, field) in [(Arrays::Skip, "model_info"), (Arrays::Keep, "verbose_model_info")] {
        let gguf = Gguf::read(&bytes[..], bytes.len() as u64, arrays).unwrap();
        let got: Json = serde_json::from_str(&text_of(&Info::of_model(&gguf))).unwrap();
        let mut want = recorded[field].clone();
        want.as_object_mut().unwrap().shift_remove("general.quantization_version");
        assert_eq!(got.as_object().unwrap().len(), 33);
        assert!(got.as_object().unwrap().keys().is_sorted());
        assert_eq!(got, want, "{field}");
    }
    let gguf = read(&bytes).unwrap();
    let Json::Array(mut got) = serde_json::from_str(&text_of(&gguf.tensors)).unwrap() else { panic!("no list") };
    let mut want = recorded["tensors"].as_array().unwrap().clone();
    for list in [&mut got, &mut want] {
        list.sort_by_key(|tensor| tensor["name"].to_string());
    }
    assert_eq!(got, want);
    assert!(text_of(&gguf.tensors[0]).starts_with("{\"name\":\""));
}

/// Every type in Go's formats: 32-bit floats by their own shortest digits, bytes in base64, null for what was skipped.
#[test]
fn every_type_is_written_as_go_writes_it() {
    let keys = [
        key("a.u8", 0, &[200]),
        key("b.i8", 1, &[0xff]),
        key("c.u16", 2, &[1, 2]),
        key("d.i16", 3, &[0xff, 0xff]),
        key("e.u32", 4, &[0xff; 4]),
        key("f.i32", 5, &[0xfe, 0xff, 0xff, 0xff]),
        key("g.f32", 6, &1e-5_f32.to_le_bytes()),
        key("h.bool", 7, &[1]),
        key("i.text", 8, &text("a<b>&\u{2028}\"")),
        key("j.u64", 10, &[0xff; 8]),
        key("k.i64", 11, &i64::MIN.to_le_bytes()),
        key("l.f64", 12, &1e21_f64.to_le_bytes()),
        key("m.f32", 6, &1e-7_f32.to_le_bytes()),
        key("n.f32", 6, &10_000_f32.to_le_bytes()),
        key("o.nan", 6, &f32::NAN.to_le_bytes()),
        key("p.bytes", 9, &array(0, 2, &[0xfb, 0xff])),
        key("q.signed", 9, &array(1, 2, &[0xfb, 0xff])),
        key("r.floats", 9, &array(6, 1, &0.1_f32.to_le_bytes())),
        key("s.texts", 9, &array(8, 2, &[text("\u{e9}"), [&3_u64.to_le_bytes()[..], b"\xe2\x82x"].concat()].concat())),
        key("t.empty", 9, &array(4, 0, &[])),
        key("general.parameter_count", 8, &text("many")),
        key("general.name", 8, &text("Name")),
        key("tokenizer.chat_template", 8, &text("{{ x }}")),
    ];
    let scalars = r#"{"a.u8":200,"b.i8":-1,"c.u16":513,"d.i16":-1,"e.u32":4294967295,"f.i32":-2,"g.f32":0.00001,"#
        .to_owned()
        + r#""general.parameter_count":12,"h.bool":true,"i.text":"a\u003cb\u003e\u0026\u2028\"","#
        + r#""j.u64":18446744073709551615,"k.i64":-9223372036854775808,"l.f64":1e+21,"m.f32":1e-7,"n.f32":10000,"#
        + r#""o.nan":null,"#;
    let verbose = r#""p.bytes":"+/8=","q.signed":[-5,-1],"r.floats":[0.1],"s.texts":["é","��x"],"t.empty":[]}"#;
    let short = r#""p.bytes":null,"q.signed":null,"r.floats":null,"s.texts":null,"t.empty":[]}"#;
    let bytes = file(&keys, &[tensor("w", &[3, 4], 0, 0)]);
    for (arrays, rest) in [(Arrays::Keep, verbose), (Arrays::Skip, short)] {
        let gguf = Gguf::read(&bytes[..], bytes.len() as u64, arrays).unwrap();
        assert_eq!(text_of(&Info::of_model(&gguf)), scalars.clone() + rest);
    }
    let gguf = read(&bytes).unwrap();
    let projector = text_of(&Info::of_projector(&gguf));
    assert!(projector.contains(r#""general.name":"Name","#) && projector.contains("tokenizer.chat_template"));
    let named = text_of(&Info::of_model(&gguf).with_text("general.basename", "<me>"));
    assert!(named.contains(r#""general.basename":"\u003cme\u003e","general.parameter_count":12,"#));
}

#[test]
fn tensors_are_listed_with_type_and_shape() {
    let rows = [tensor("a", &[4, 2], 12, 0), tensor("b", &[], 28, 0), tensor("c", &[1], 99, 0)];
    let gguf = read(&file(&[], &rows)).unwrap();
    let want = r#"[{"name":"a","type":"Q4_K","shape":[4,2]},{"name":"b","type":"F64","shape":[]},"#.to_owned()
        + r#"{"name":"c","type":"unknown","shape":[1]}]"#;
    assert_eq!(text_of(&gguf.tensors), want);
}

#[test]
fn file_types_have_ollamas_names() {
    for (number, name) in [
        (0, "F32"),
        (2, "Q4_0"),
        (5, "unknown"),
        (15, "Q4_K_M"),
        (30, "IQ4_XS"),
        (32, "BF16"),
        (38, "MXFP4_MOE"),
        (1 << 40, "unknown"),
    ] {
        assert_eq!(file_type_name(number), name);
    }
    let facts = Facts::of(&read(&file(&[], &[])).unwrap());
    assert_eq!((facts.architecture.as_str(), facts.file_type), ("unknown", "unknown"));
}

#[test]
fn a_projector_says_whether_it_hears() {
    let clip = key("general.architecture", 8, &text("clip"));
    let hears =
        |keys: &[Vec<u8>]| Facts::of(&read(&file(&[slice::from_ref(&clip), keys].concat(), &[])).unwrap()).hears;
    let encoder = |value| key("clip.has_audio_encoder", 7, &[value]);
    assert!(hears(&[encoder(1)]));
    assert!(hears(&[key("other.has_audio_encoder", 7, &[1])]));
    assert!(!hears(&[encoder(0)]));
    assert!(!hears(&[key("clip.has_audio_encoder", 0, &[1])]));
    assert!(!hears(&[encoder(1), key("clip.vision.projector_type", 8, &text("gemma3nv"))]));
}
