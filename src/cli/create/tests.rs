//! What `create` asks of a server, and what it tells.

use super::*;
use crate::cli::fake::{FakeServer, reply};

/// sha256 of "abc" (FIPS 180-2, appendix B.1).
const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const MADE: &str = "{\"status\":\"writing manifest\"}\n{\"status\":\"success\"}\n";

/// What the command told, and how it ended.
fn create(server: &FakeServer, args: &CreateArgs) -> (String, Result<(), CliError>) {
    let mut told = Vec::new();
    let result = run(args, &server.client(), &mut Progress::new(&mut told, false));
    (String::from_utf8(told).unwrap(), result)
}

/// A folder with a Modelfile and a file `a.gguf`.
fn folder(modelfile: &str) -> (tempfile::TempDir, CreateArgs) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.gguf"), "abc").unwrap();
    let file = folder.path().join("Modelfile");
    std::fs::write(&file, modelfile).unwrap();
    (folder, CreateArgs { model: "m".to_owned(), file: Some(file), ..CreateArgs::default() })
}

#[test]
fn a_file_is_uploaded_once_and_the_model_made() {
    let (_folder, args) = folder("FROM a.gguf\n");
    let server = FakeServer::start(vec![
        reply(200, ""),
        reply(404, ""),
        reply(201, ""),
        reply(200, MADE),
        reply(200, ""),
        reply(200, ""),
        reply(200, MADE),
    ]);
    let (told, result) = create(&server, &args);
    result.unwrap();
    let copied = format!("gathering model components\ncopying file {ABC} 100%\nwriting manifest\nsuccess\n");
    assert_eq!(told, copied);
    let (told, result) = create(&server, &args);
    result.unwrap();
    assert_eq!(told, "gathering model components\nwriting manifest\nsuccess\n");
    let head = format!("HEAD /api/blobs/{ABC} ");
    let create = format!("POST /api/create {{\"model\":\"m\",\"files\":{{\"a.gguf\":\"{ABC}\"}}}}");
    let upload = format!("POST /api/blobs/{ABC} abc");
    assert_eq!(server.requests(), ["HEAD / ", &head, &upload, &create, "HEAD / ", &head, &create]);
}

#[test]
fn every_command_of_a_modelfile_becomes_a_field() {
    let (_folder, mut args) = folder(
        "FROM llama3\nTEMPLATE {{ .Prompt }}\nSYSTEM \"\"\"two\nlines\"\"\"\nPARAMETER stop a\nPARAMETER stop b\n\
         PARAMETER temperature 0.5\nPARAMETER mirostat 1\nLICENSE L\nMESSAGE user hi\nRENDERER r\nPARSER p\nREQUIRES v0.14.0\n",
    );
    args.quantize = Some("q4_K_M".to_owned());
    let progress = "{\"status\":\"quantizing F16 model to Q4_K_M\",\"digest\":\"0\",\"total\":10,\"completed\":5}\n";
    let server = FakeServer::start(vec![reply(200, ""), reply(200, &format!("{progress}{MADE}"))]);
    let (told, result) = create(&server, &args);
    result.unwrap();
    let want = "warning: parameter mirostat is deprecated\ngathering model components\n\
                quantizing F16 model to Q4_K_M 50%\nwriting manifest\nsuccess\n";
    assert_eq!(told, want);
    let body = server.requests()[1].strip_prefix("POST /api/create ").unwrap().to_owned();
    let want = json!({
        "model": "m", "from": "llama3", "template": "{{ .Prompt }}", "system": "two\nlines", "license": ["L"],
        "parameters": {"stop": ["a", "b"], "temperature": 0.5}, "messages": [{"role": "user", "content": "hi"}],
        "renderer": "r", "parser": "p", "requires": "0.14.0", "quantize": "q4_K_M",
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), want);
}

#[test]
fn what_is_wrong_is_told_before_anything_is_sent() {
    for (modelfile, want) in [
        ("SYSTEM x", "no FROM line"),
        ("FROM a\nPARAMETER nope 1", "unknown parameter 'nope'"),
        ("FROM a\nADAPTER ./nowhere", "nowhere: entity not found"),
        ("FROM a\nREQUIRES soon", "requires must be a valid semver (e.g. 0.14.0)"),
    ] {
        let (_folder, args) = folder(modelfile);
        let server = FakeServer::start(vec![reply(200, "")]);
        let error = create(&server, &args).1.unwrap_err().to_string();
        assert!(error.ends_with(want), "{modelfile}: {error}");
        assert_eq!(server.requests(), ["HEAD / "]);
    }
    let (_folder, args) = folder("FROM a");
    let server = || FakeServer::start(vec![reply(200, "")]);
    let bad_name = CreateArgs { model: "a b".to_owned(), ..CreateArgs::default() };
    assert_eq!(create(&server(), &bad_name).1.unwrap_err().to_string(), "invalid model name: a b");
    let missing = PathBuf::from("/nonexistent/Modelfile");
    let no_file = CreateArgs { model: "m".to_owned(), file: Some(missing), ..CreateArgs::default() };
    assert_eq!(create(&server(), &no_file).1.unwrap_err().to_string(), "specified Modelfile wasn't found");
    let no_draft = CreateArgs { draft_quantize: Some("q8_0".to_owned()), ..args };
    let error = create(&server(), &no_draft).1.unwrap_err().to_string();
    assert_eq!(error, "--draft-quantize requires a DRAFT model");
}

#[test]
fn the_servers_refusal_is_repeated() {
    let (_folder, args) = folder("FROM a");
    let lines = "{\"status\":\"pulling manifest\"}\n{\"error\":\"not here\"}\n";
    let server = FakeServer::start(vec![reply(200, ""), reply(200, lines)]);
    let (told, result) = create(&server, &args);
    assert_eq!(told, "gathering model components\npulling manifest\n");
    assert_eq!(result.unwrap_err().to_string(), "not here");
}
