//! Uploads under stress: size, faults of the disk, servers that die, and two servers on one store.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use llamero::config::limits::UPLOADS_PER_CORE_MAX;
use llamero::model::Digest;
use sha2::{Digest as _, Sha256};

use crate::server::{Client, DRIVERS, Server};
use crate::uploads::{await_files, await_names, begin, names, pattern, upload};

const MIB: usize = 1024 * 1024;

/// Most memory that the process has ever had, in KiB.
fn peak_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server's status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
fn half_a_gibibyte_takes_no_memory() {
    // Zeros and pattern in turn.
    let blocks = [vec![0; MIB], pattern(MIB)];
    let all = || blocks.iter().cycle().take(512);
    let mut hasher = Sha256::new();
    all().for_each(|block| hasher.update(block));
    let digest = Digest::from_bytes(hasher.finalize().into());
    for (driver, chunked) in [("io_uring", false), ("epoll", true)] {
        let server = Server::start(&["--driver", driver]);
        assert_eq!(upload(&mut server.connect(), &pattern(2 * MIB)), 201, "{driver}");
        let before = peak_kib(&server);
        let mut client = server.connect();
        let framing =
            if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", 512 * MIB) };
        begin(&mut client, &digest.to_string(), &format!("{framing}\r\n"));
        for block in all() {
            if chunked {
                client.send(format!("{MIB:x}\r\n").as_bytes());
            }
            client.send(block);
            if chunked {
                client.send(b"\r\n");
            }
        }
        if chunked {
            client.send(b"0\r\n\r\n");
        }
        assert_eq!(client.reply().status, 201, "{driver}");
        let file = server.models.join("blobs").join(digest.file_name());
        assert_eq!(file.metadata().expect(driver).len(), 512 * MIB as u64, "{driver}");
        let grown = peak_kib(&server).saturating_sub(before);
        assert!(grown < 8 * 1024, "{driver}: {grown} KiB more than before");
    }
}

/// The binary at a place where everyone may run it, as a user who is not root: root is never refused.
fn as_nobody(folder: &tempfile::TempDir) -> Command {
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("chmod");
    if !rustix::process::geteuid().is_root() {
        return Command::new(env!("CARGO_BIN_EXE_llamero"));
    }
    let binary = folder.path().join("llamero");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_llamero"), &binary).expect("a copy of the binary");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(binary);
    command
}

#[test]
fn without_permission_there_is_a_clear_error_and_the_store_stays_whole() {
    for driver in DRIVERS {
        let folder = tempfile::tempdir().expect("a folder");
        let models = folder.path().join("models");
        let chmod =
            |name: &str, mode| fs::set_permissions(models.join(name), Permissions::from_mode(mode)).expect(name);
        for name in ["blobs", "manifests"] {
            fs::create_dir_all(models.join(name)).expect(name);
            chmod(name, 0o777);
        }
        let server = Server::run(as_nobody(&folder), &models, &["--driver", driver]);
        let small = pattern(1000);
        assert_eq!(upload(&mut server.connect(), &small), 201, "{driver}");
        let kept = [Digest::of(&small).file_name()];
        chmod("blobs", 0o555);
        let bytes = pattern(700_000);
        let digest = Digest::of(&bytes);
        let mut client = server.connect();
        begin(&mut client, &digest.to_string(), &format!("Content-Length: {}\r\n", bytes.len()));
        client.try_send(&bytes);
        let reply = client.reply();
        let text = "the blob could not be written: the server has no permission to do that in the model folder";
        assert_eq!((reply.status, reply.text()), (500, format!(r#"{{"error":"{text}"}}"#)), "{driver}");
        assert_eq!(names(&models), kept, "{driver}");
        assert_eq!(upload(&mut server.connect(), &small), 200, "{driver}: what is there can be used");
        // Taken away while an upload is under way: it can no longer get its name.
        chmod("blobs", 0o777);
        let mut client = server.connect();
        begin(&mut client, &digest.to_string(), &format!("Content-Length: {}\r\n", bytes.len()));
        client.send(&bytes[..300_000]);
        await_files(&models, 2);
        chmod("blobs", 0o555);
        client.send(&bytes[300_000..]);
        assert_eq!(client.reply().status, 500, "{driver}");
        server.await_log("a temporary file stays behind");
        chmod("blobs", 0o777);
        assert_eq!(upload(&mut server.connect(), &bytes), 201, "{driver}");
        drop(server);
        // The next server takes away what could not be removed.
        let _server = Server::run(as_nobody(&folder), &models, &["--driver", driver]);
        let mut expected = vec![kept[0].clone(), digest.file_name()];
        expected.sort();
        await_names(&models, &expected, driver);
    }
}

/// A limit on the size of files stands for a full disk: the kernel refuses the write in the middle, by a signal even.
#[test]
fn a_write_that_the_kernel_refuses_is_a_clear_error() {
    for driver in DRIVERS {
        let folder = tempfile::tempdir().expect("a folder");
        // 16 or 32 MiB: shells count blocks of 512 or 1024 bytes.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -f 32768; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_llamero")]);
        let server = Server::run(command, folder.path(), &["--driver", driver]);
        let bytes = vec![7; 48 * MIB];
        let mut client = server.connect();
        begin(&mut client, &Digest::of(&bytes).to_string(), &format!("Content-Length: {}\r\n", bytes.len()));
        // The server answers in the middle; the last byte is kept back, so that the answer is always read.
        client.try_send(&bytes[..34 * MIB]);
        let reply = client.reply();
        let text = r#"{"error":"the blob could not be written: files may not become that large here"}"#;
        assert_eq!((reply.status, reply.text().as_str()), (500, text), "{driver}");
        assert_eq!(names(folder.path()), [""; 0], "{driver}");
        assert_eq!(upload(&mut server.connect(), &pattern(MIB)), 201, "{driver}: and the server goes on");
    }
}

#[test]
fn a_second_server_takes_away_what_a_dead_one_left_and_nothing_else() {
    let binary = || Command::new(env!("CARGO_BIN_EXE_llamero"));
    for driver in DRIVERS {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = ["--driver", driver];
        let first = Server::run(binary(), folder.path(), &arguments);
        let bytes = pattern(3 * MIB);
        let digest = Digest::of(&bytes);
        let mut client = first.connect();
        begin(&mut client, &digest.to_string(), &format!("Content-Length: {}\r\n", bytes.len()));
        client.send(&bytes[..2 * MIB]);
        await_files(folder.path(), 1);
        let second = Server::run(binary(), folder.path(), &arguments);
        client.send(&bytes[2 * MIB..]);
        assert_eq!(client.reply().status, 201, "{driver}: the second server left the upload alone");
        await_names(folder.path(), &[digest.file_name()], driver);

        let mut client = first.connect();
        begin(&mut client, &Digest::of(b"x").to_string(), "Content-Length: 1000000\r\n");
        client.send(&bytes[..700_000]);
        await_files(folder.path(), 2);
        Server::signal(first.pid(), "KILL");
        drop(first);
        assert_eq!(names(folder.path()).len(), 2, "{driver}: a server that is killed cannot clean up");
        drop(second);
        let _third = Server::run(binary(), folder.path(), &arguments);
        await_names(folder.path(), &[digest.file_name()], driver);
    }
}

/// The kernel takes the ring of a killed server apart in its own time, and until then its files stay locked.
#[test]
fn what_is_let_go_after_the_start_goes_too() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("blobs")).expect("blobs");
    let path = folder.path().join("blobs/.llamero-1-1");
    let held = fs::File::create(&path).expect("a file");
    held.lock().expect("a lock");
    let _server = Server::run(Command::new(env!("CARGO_BIN_EXE_llamero")), folder.path(), &[]);
    assert!(path.exists(), "somebody holds it");
    drop(held);
    await_names(folder.path(), &[], "let go");
}

#[test]
fn past_the_most_uploads_at_once_a_client_is_told_to_come_again() {
    let server = Server::start(&["--cores", "1"]);
    let mut clients: Vec<Client> = (0..UPLOADS_PER_CORE_MAX).map(|_| server.connect()).collect();
    let digest = Digest::of(b"0123456789").to_string();
    for client in &mut clients {
        begin(client, &digest, "Content-Length: 10\r\n");
    }
    await_files(&server.models, clients.len());
    let mut late = server.connect();
    begin(&mut late, &digest, "Content-Length: 10\r\n");
    let reply = late.reply();
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.head.contains("Retry-After: 1"), "{}", reply.head);
    for mut client in clients {
        client.send(b"0123456789");
        assert_eq!(client.reply().status, 201);
    }
    assert_eq!(upload(&mut server.connect(), b"0123456789"), 200);
    assert_eq!(names(&server.models).len(), 1);
}
