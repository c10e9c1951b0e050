//! The tables against what Ollama prints of the same answers, and the parts alone.

use super::*;
use crate::cli::fake::{FakeServer, reply};

fn shown(answer: &Value, args: &ShowArgs) -> Result<String, CliError> {
    let server = FakeServer::start(vec![reply(200, ""), reply(200, &answer.to_string())]);
    let mut out = Vec::new();
    run(args, &server.client(), &mut out).map(|()| String::from_utf8(out).unwrap())
}

/// The details alone, and what `more` adds to the answer.
fn with(more: &Value) -> Value {
    let details = json!({"family": "test", "parameter_size": "7B", "quantization_level": "FP16"});
    let mut answer = json!({"details": details});
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer
}

const MODEL: &str =
    "  Model\n    architecture    test    \n    parameters      7B      \n    quantization    FP16    \n\n";

/// What Ollama's own tests expect of such answers.
#[test]
fn tables_stand_below_each_other() {
    for (more, want) in [
        (json!({}), String::new()),
        (
            json!({"capabilities": ["vision", "tools"]}),
            "  Capabilities\n    vision    \n    tools     \n\n".to_owned(),
        ),
        (
            json!({"parameters": "\nstop never\nstop gonna\ntemperature 99"}),
            "  Parameters\n    stop           never    \n    stop           gonna    \n    temperature    99       \n\n"
                .to_owned(),
        ),
        (
            json!({"projector_info": {
                "general.architecture": "clip", "general.parameter_count": 133_700_000,
                "clip.vision.embedding_length": 0, "clip.vision.projection_dim": 0,
            }}),
            "  Projector\n    architecture        clip       \n    parameters          133.70M    \n    \
             embedding length    0          \n    dimensions          0          \n\n"
                .to_owned(),
        ),
        (
            json!({"system": "You are a pirate!\nAhoy, matey!\nWeigh anchor!\n\t"}),
            "  System\n    You are a pirate!    \n    Ahoy, matey!         \n    ...                  \n\n".to_owned(),
        ),
        (
            json!({"license": "MIT License\nCopyright (c) Ollama\n"}),
            "  License\n    MIT License             \n    Copyright (c) Ollama    \n\n".to_owned(),
        ),
    ] {
        assert_eq!(shown(&with(&more), &ShowArgs::default()).unwrap(), format!("{MODEL}{want}"), "{more}");
    }
}

#[test]
fn verbose_tells_the_header_and_the_tensors() {
    let answer = json!({
        "details": {"family": "test", "parameter_size": "", "quantization_level": "FP16"}, "requires": "0.19.0",
        "model_info": {
            "test.context_length": 1000, "test.embedding_length": 11434, "general.architecture": "test",
            "general.parameter_count": 8_000_000_000_u64, "some.true_bool": true, "an.array": ["a", "bb", "ccc", "d"],
            "short": [1, 2], "none": [], "nothing": null, "small": 1e-5, "text": "two words",
        },
        "tensors": [{"name": "blk.0.attn_k.weight", "type": "BF16", "shape": [42, 3117]}],
    });
    let want = "  Model
    architecture        test      
    parameters          8B        
    context length      1000      
    embedding length    11434     
    quantization        FP16      
    requires            0.19.0    

  Metadata
    an.array                   [a bb ...+2 more]    
    general.architecture       test                 
    general.parameter_count    8e+09                
    none                       []                   
    nothing                    <nil>                
    short                      [1 2]                
    small                      1e-05                
    some.true_bool             true                 
    test.context_length        1000                 
    test.embedding_length      11434                
    text                       two words            

  Tensors
    blk.0.attn_k.weight    BF16    [42 3117]    

";
    let args = ShowArgs { verbose: true, ..ShowArgs::default() };
    assert_eq!(shown(&answer, &args).unwrap(), want);
    let brief = shown(&answer, &ShowArgs::default()).unwrap();
    assert_eq!(brief, want.split("  Metadata").next().unwrap());
}

#[test]
fn one_part_is_printed_as_it_is() {
    let answer = with(&json!({
        "license": "L", "modelfile": "FROM x\n", "parameters": "stop \"a\"", "system": "S", "template": "T",
    }));
    let one = |set: fn(&mut ShowArgs)| {
        let mut args = ShowArgs::default();
        set(&mut args);
        shown(&answer, &args).unwrap()
    };
    assert_eq!(one(|args| args.license = true), "L\n");
    assert_eq!(one(|args| args.modelfile = true), "FROM x\n\n");
    assert_eq!(one(|args| args.parameters = true), "stop \"a\"\n");
    assert_eq!(one(|args| args.system = true), "S");
    assert_eq!(one(|args| args.template = true), "T");
    let two = ShowArgs { license: true, system: true, ..ShowArgs::default() };
    let error = shown(&answer, &two).unwrap_err().to_string();
    assert!(error.starts_with("only one of '--license', '--modelfile',"), "{error}");
    let error = shown(&with(&json!({"capabilities": ["image"]})), &ShowArgs::default()).unwrap_err();
    assert_eq!(error.to_string(), "image generation models are not currently supported");
}
