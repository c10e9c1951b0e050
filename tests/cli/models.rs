//! Making, looking at, copying and removing models by the commands, against a real server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::server::Server;
use crate::text;

const LLAMITA: &str = "sha256:42848f30765b98a18d6ed6818d1a89961e2357660d6a1ffce55df523b5b176f5";

fn gguf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/llamita/llamita-f16.gguf")
}

/// Runs a command in a folder.
fn run(server: &Server, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llamero"))
        .args(arguments)
        .current_dir(folder)
        .env("OLLAMA_HOST", server.address.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

/// What a command that goes well prints on stdout, and on stderr.
fn printed(server: &Server, folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = run(server, folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_model_from_its_modelfile_to_its_end() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let modelfile = format!(
        "FROM {}\nSYSTEM \"\"\"Be brief.\nAlways.\nAnd kind.\"\"\"\nPARAMETER temperature 0.5\nPARAMETER stop \"<|im_end|>\"\n\
         LICENSE \"\"\"MIT\nmore of it\"\"\"\n",
        gguf().display()
    );
    fs::write(here.join("Modelfile"), modelfile).expect("a Modelfile");
    let (out, told) = printed(&server, here, &["create", "brief"]);
    assert_eq!(out, "");
    assert!(told.starts_with("gathering model components\ncopying file sha256:"), "{told}");
    assert!(told.contains(" 100%\nparsing GGUF\nverifying conversion\nusing existing layer sha256:"), "{told}");
    assert!(told.ends_with("writing manifest\nsuccess\n"), "{told}");
    let (_, told) = printed(&server, here, &["create", "brief", "-f", "Modelfile"]);
    assert!(!told.contains("copying file"), "it is there already: {told}");

    let (shown, _) = printed(&server, here, &["show", "brief"]);
    let want = "  Model
    architecture        llama    
    parameters          1.12M    
    context length      2048     
    embedding length    128      
    quantization        F16      

  Capabilities
    tools         
    thinking      
    completion    

  Parameters
    stop           \"<|im_end|>\"    
    temperature    0.5             

  System
    Be brief.    
    Always.      
    ...          

  License
    MIT           
    more of it    

";
    assert_eq!(shown, want);
    let (shown, _) = printed(&server, here, &["show", "brief", "--modelfile"]);
    assert!(shown.contains(&format!("blobs/{}\n", LLAMITA.replace(':', "-"))), "{shown}");
    let (shown, _) = printed(&server, here, &["show", "--system", "brief"]);
    assert_eq!(shown, "Be brief.\nAlways.\nAnd kind.");
    let (shown, _) = printed(&server, here, &["show", "-v", "brief"]);
    assert!(shown.contains("  Metadata\n") && shown.contains("  Tensors\n    token_embd.weight"), "{shown}");

    assert_eq!(printed(&server, here, &["cp", "brief", "me/kept"]).0, "copied 'brief' to 'me/kept'\n");
    assert_eq!(printed(&server, here, &["rm", "brief"]).0, "deleted 'brief'\n");
    let (list, _) = printed(&server, here, &["ls"]);
    assert!(list.contains("me/kept:latest") && !list.contains("brief"), "{list}");
    let gone = run(&server, here, &["show", "brief"]);
    assert_eq!(text(&gone.stderr), "Error: model 'brief:latest' not found\n");
    let again = run(&server, here, &["rm", "me/kept", "brief"]);
    assert_eq!((text(&again.stdout), again.status.code()), ("deleted 'me/kept'\n".to_owned(), Some(1)));
    assert_eq!(text(&again.stderr), "Error: model 'brief' not found\n");
    assert_eq!(fs::read_dir(server.models.join("blobs")).expect("blobs").count(), 0, "nothing is left");
}

#[test]
fn a_folder_with_a_model_needs_no_modelfile() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(gguf(), folder.path().join("any.gguf")).expect("copied");
    let (_, told) = printed(&server, folder.path(), &["create", "m"]);
    assert!(told.ends_with("success\n"), "{told}");
    fs::write(folder.path().join("Modelfile"), "FROM m\nTEMPLATE {{ if }}\n").expect("a Modelfile");
    let refused = run(&server, folder.path(), &["create", "n"]);
    let error = text(&refused.stderr);
    assert!(error.contains("Error: 400 Bad Request: template error: template: :1:"), "{error}");
    let refused = run(&server, folder.path(), &["create", "n", "-q", "q9", "-f", "Modelfile"]);
    assert!(text(&refused.stderr).contains("template error"), "{}", text(&refused.stderr));
    fs::write(folder.path().join("Modelfile"), "FROM m\n").expect("a Modelfile");
    let refused = run(&server, folder.path(), &["create", "n", "-q", "q9"]);
    let error = text(&refused.stderr);
    assert!(error.contains("Error: 500 Internal Server Error: unsupported quantization type Q9"), "{error}");
}
