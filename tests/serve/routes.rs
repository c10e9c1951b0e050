//! The routes that need no model, and those that tell their steps.

use crate::server::{DRIVERS, Server};

#[test]
fn small_routes_answer_as_an_ollama_that_is_not_signed_in() {
    let server = Server::start(&[]);
    let off = "ollama cloud is disabled: ";
    let rows = [
        ("GET", "/api/status", "", 200, r#"{"cloud":{"disabled":false,"source":"none"}}"#.to_owned()),
        ("GET", "/api/experimental/model-recommendations", "", 200, r#"{"recommendations":[]}"#.to_owned()),
        ("POST", "/api/me", "", 503, r#"{"error":"account unavailable"}"#.to_owned()),
        ("POST", "/api/signout", "", 401, r#"{"error":"you are not currently signed in"}"#.to_owned()),
        ("DELETE", "/api/user/keys/abc", "", 401, r#"{"error":"you are not currently signed in"}"#.to_owned()),
        ("POST", "/api/experimental/web_search", " ", 400, r#"{"error":"missing request body"}"#.to_owned()),
        (
            "POST",
            "/api/experimental/web_search",
            "{}",
            403,
            format!("{{\"error\":\"{off}web search is unavailable\"}}"),
        ),
        ("POST", "/api/experimental/web_fetch", "{}", 403, format!("{{\"error\":\"{off}web fetch is unavailable\"}}")),
        (
            "POST",
            "/api/show",
            "{\"model\":\"m:cloud\"}",
            403,
            format!("{{\"error\":\"{off}remote model details are unavailable\"}}"),
        ),
        ("POST", "/api/show", "", 400, r#"{"error":"missing request body"}"#.to_owned()),
        ("POST", "/api/copy", "", 400, r#"{"error":"missing request body"}"#.to_owned()),
        ("DELETE", "/api/delete", "", 400, r#"{"error":"missing request body"}"#.to_owned()),
        ("DELETE", "/api/delete", "{\"model\":\"a b\"}", 400, r#"{"error":"name \"a b\" is invalid"}"#.to_owned()),
        ("GET", "/api/delete", "", 405, "405 method not allowed".to_owned()),
        ("GET", "/api/nothing/", "", 404, "404 page not found".to_owned()),
    ];
    for (method, path, body, status, want) in rows {
        let reply = server.connect().request(method, path, body);
        assert_eq!((reply.status, reply.text()), (status, want), "{method} {path} {body}");
    }
    let wrong = server.connect().request("GET", "/api/delete", "");
    assert!(wrong.head.contains("Allow: DELETE\r\n"), "{}", wrong.head);
}

#[test]
fn a_slash_too_many_leads_to_the_path_without() {
    let server = Server::start(&[]);
    for (method, path, status, to) in [
        ("GET", "/api/tags/", 301, "/api/tags"),
        ("HEAD", "/api/version/", 307, "/api/version"),
        ("POST", "/api/generate/", 307, "/api/generate"),
        ("DELETE", "/api/delete/", 307, "/api/delete"),
    ] {
        let mut client = server.connect();
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let (got, head) = client.head();
        assert_eq!(got, status, "{method} {path}");
        assert!(head.contains(&format!("Location: {to}\r\n")), "{head}");
    }
    assert_eq!(server.get("/api/generate/").status, 404, "the path itself does not know the method");
}

/// Steps come in chunks, as lines to HTTP/1.0, and not at all where only the outcome is wanted; connections live on.
#[test]
fn steps_are_framed_as_the_client_can_read_them() {
    for driver in DRIVERS {
        let server = Server::start(&["--driver", driver]);
        server.create_llamita();
        let body = r#"{"model":"m","from":"llamita","system":"s"}"#;
        let mut client = server.connect();
        let streamed = client.request("POST", "/api/create", body);
        assert!(streamed.head.contains("Content-Type: application/x-ndjson\r\n"), "{}", streamed.head);
        assert!(streamed.head.contains("Transfer-Encoding: chunked\r\n"), "{}", streamed.head);
        let lines: Vec<_> =
            streamed.lines().iter().map(|line| line["status"].as_str().unwrap_or("?").to_owned()).collect();
        assert_eq!((lines.len(), lines[3].as_str()), (4, "success"), "{lines:?}");
        // The same connection, and what is sent while steps are told waits its turn.
        let whole = body.replace("\"m\"", "\"n\",\"stream\":false");
        client.post("/api/create", &body.replace("\"m\"", "\"o\""));
        client.post("/api/create", &whole);
        assert_eq!(client.reply().lines().len(), 4);
        let reply = client.reply();
        assert_eq!(reply.text(), r#"{"status":"success"}"#);
        assert!(reply.head.contains("Content-Type: application/json\r\n"), "{}", reply.head);

        let mut old = server.connect();
        let length = body.len();
        old.send(
            format!("POST /api/create HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
                .as_bytes(),
        );
        let reply = old.reply();
        assert!(reply.head.contains("Connection: close\r\n"), "{}", reply.head);
        assert_eq!(reply.lines().last().expect("lines")["status"], "success");

        let refused = server.post("/api/create", r#"{"model":"x"}"#);
        assert_eq!(
            (refused.status, refused.text()),
            (400, r#"{"error":"neither 'from' or 'files' was specified"}"#.into())
        );
        assert_eq!(server.get("/api/tags").json()["models"].as_array().expect("models").len(), 4);
    }
}

#[test]
fn copilot_is_told_the_name_that_it_asked_for() {
    let server = Server::start(&[]);
    server.create_llamita();
    let body = r#"{"model":"LLAMITA"}"#;
    for (agent, want) in [("GitHubCopilotChat/1.2", Some("LLAMITA")), ("curl/8", None)] {
        let mut client = server.connect();
        let length = body.len();
        client.send(
            format!("POST /api/show HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nContent-Length: {length}\r\n\r\n{body}")
                .as_bytes(),
        );
        assert_eq!(client.reply().json()["model_info"]["general.basename"].as_str(), want, "{agent}");
    }
}

#[test]
fn switches_of_the_cloud_are_told() {
    let server = Server::start_with(&[], &[("OLLAMA_NO_CLOUD", "1"), ("OLLAMA_SCHED_SPREAD", "1")]);
    assert_eq!(server.get("/api/status").text(), r#"{"cloud":{"disabled":true,"source":"env"}}"#);
    server.await_log("OLLAMA_SCHED_SPREAD has no effect");
}
