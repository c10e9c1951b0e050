"""Point 3: faults in the middle of uploads and creates. Nothing that was there before may be lost by any of them.

A server is killed, the disk fills up, the folder becomes read-only, another user serves, bytes are wrong or missing, two
servers share a store. Each time the models of before have to be listed, to be shown and to answer as before, no blob may
have other bytes than its name says, and what was left behind has to be gone after the next start.
"""

import random
import threading
import time

import store_disks
from kept import (
    COPY, LLAMITA, MARIO, Kept, answer, blobs, broken_blobs, create, digest_of, fill, left_over, listed, on_store,
    path_of, upload, until,
)
from servers import upload_head
from web import Connection, Cut, call, call_ok

DRIVERS = ("io_uring", "epoll")
KILLS = 50
# Of these so many come after the last byte: while the rest is hashed, made durable and named.
LATE_KILLS = 12
LATE_SECONDS = 0.040
UPLOAD_BYTES = 8 << 20
WRONG = 20
CUTS = 30
ROUNDS_OF_TWO = 12


def run(place, report):
    store = place.folder("store")
    with on_store(place, store) as server:
        fill(server, place)
        create(server, "changing:latest", **{"from": LLAMITA}, system="As it was before.")
        kept = Kept(server)
    killed_uploads(place, report, store, kept)
    killed_creates(place, report, store, kept)
    wrong_digests(place, report, store, kept)
    half_files(place, report, store, kept)
    two_writers(place, report, store, kept)
    store_disks.run(place, report)
    place.stores.append(store)


def aftermath(place, store, kept, driver, may_differ=()):
    """What is wrong with a store after a fault, before and after the next start. Gives the new server's models, too."""
    wrong = [f"{name} has other bytes than its name says" for name in broken_blobs(store)]
    with on_store(place, store, "--driver", driver) as server:
        if not until(lambda: not left_over(store)):
            wrong.append(f"left behind: {left_over(store)}")
        wrong += kept.lost(server, may_differ)
        names = listed(server)
        for name in names.keys() - kept.models.keys():
            try:
                answer(server, name)
            except (RuntimeError, Cut, OSError) as error:
                wrong.append(f"{name} is listed and does not answer: {error}")
            call_ok(server.address, "DELETE", "/api/delete", {"model": name})
    return wrong, set(names)


def killed_uploads(place, report, store, kept):
    """Kills the server while a body comes in, and after its last byte."""
    draw, failures, acknowledged, there = random.Random(11), [], 0, 0
    for number in range(KILLS):
        driver = DRIVERS[number % 2]
        data = draw.randbytes(UPLOAD_BYTES)
        digest = digest_of(data)
        late = number - (KILLS - LATE_KILLS)
        sent = len(data) if late >= 0 else len(data) * number // (KILLS - LATE_KILLS)
        with on_store(place, store, "--driver", driver) as server, Connection(server.address) as connection:
            connection.send(upload_head(digest, len(data)) + data[:sent])
            time.sleep(late * LATE_SECONDS / LATE_KILLS if late >= 0 else draw.random() * 0.005)
            server.kill()
            answered = told_to_be_stored(connection)
        acknowledged += answered
        stored = path_of(store, digest).exists()
        there += stored
        wrong, _ = aftermath(place, store, kept, driver)
        if answered and not stored:
            wrong.append("it was answered with 201 and is not there")
        if stored and late < 0:
            wrong.append("half of a body is there as a blob")
        note(failures, f"kill {number + 1} after {sent} bytes, {driver}", wrong)
        path_of(store, digest).unlink(missing_ok=True)
    what = f"kill -9 in an upload ({there} were stored all the same, {acknowledged} of them had been answered)"
    report.none_of(what, failures, KILLS, "nothing lost")


def note(failures, what, wrong):
    """One failure for each try, whatever went wrong in it."""
    if wrong:
        failures.append(f"{what}: {'; '.join(wrong)}")


def told_to_be_stored(connection):
    try:
        return connection.head()[0] == 201
    except (Cut, OSError):
        return False


def killed_creates(place, report, store, kept):
    """Kills the server at even distances through creates of four kinds."""
    kinds = {
        "of a new file": lambda number: new_file(place, number),
        "that quantizes": lambda number: (None, {"model": "made", "from": LLAMITA, "quantize": "q8_0"}),
        "with texts": lambda number: (None, texts("made", number)),
        "over another model": lambda number: (None, texts("changing:latest", number)),
    }
    failures, made, number = [], 0, 0
    share = [KILLS // len(kinds) + (index < KILLS % len(kinds)) for index in range(len(kinds))]
    for (what, request_of), count in zip(kinds.items(), share):
        usual = usual_seconds(place, store, request_of)
        for step in range(count):
            number += 1
            driver = DRIVERS[number % 2]
            delay = usual * 1.1 * step / count
            with on_store(place, store, "--driver", driver) as server:
                data, body = request_of(number)
                if data is not None:
                    upload(server, data)
                with Connection(server.address) as connection:
                    connection.ask("POST", "/api/create", body)
                    time.sleep(delay)
                    server.kill()
            wrong, names = aftermath(place, store, kept, driver, may_differ=("changing:latest",))
            made += "made:latest" in names
            note(failures, f"kill of a create {what} after {delay * 1000:.1f} ms, {driver}", wrong)
    report.none_of(f"kill -9 in a create ({made} new models were there, whole)", failures, number, "nothing lost")


def new_file(place, number):
    """A GGUF that no store has seen: what follows its last tensor does not count."""
    data = place.llamita("llamita-f16.gguf").read_bytes() + number.to_bytes(32, "little")
    return data, {"model": "made", "files": {"made.gguf": digest_of(data)}}


def texts(name, number):
    return {"model": name, "from": LLAMITA, "system": f"Number {number}. " * 2000, "license": f"{number} " * 20000}


def usual_seconds(place, store, request_of):
    """How long such a create takes where nothing ends it."""
    with on_store(place, store) as server:
        data, body = request_of(0)
        if data is not None:
            upload(server, data)
        began = time.monotonic()
        call_ok(server.address, "POST", "/api/create", body)
        took = time.monotonic() - began
        if body["model"] == "made":
            call_ok(server.address, "DELETE", "/api/delete", {"model": "made"})
    return took


def wrong_digests(place, report, store, kept):
    """Whole uploads of other bytes than announced."""
    draw, failures = random.Random(12), []
    for driver in DRIVERS:
        with on_store(place, store, "--driver", driver) as server:
            for _ in range(WRONG // 2):
                data = draw.randbytes(draw.randrange(1, 3 << 20))
                before = blobs(store)
                status, body = upload(server, data, digest_of(data + b"x"))
                wrong = [] if status == 400 and "digest mismatch" in body else [f"{status} {body}"]
                if blobs(store) != before:
                    wrong.append("something is left")
                note(failures, f"{driver}, {len(data)} bytes", wrong)
            note(failures, driver, kept.lost(server, ("changing:latest",)))
    report.none_of("uploads with a wrong digest", failures, WRONG, "400, nothing left, nothing lost")


def half_files(place, report, store, kept):
    """Clients that leave in the middle of a body, by closing or with a reset."""
    draw, failures = random.Random(13), []
    for driver in DRIVERS:
        with on_store(place, store, "--driver", driver) as server:
            before = blobs(store)
            for number in range(CUTS // 2):
                data = draw.randbytes(3 << 20)
                sent = draw.randrange(len(data))
                with Connection(server.address) as connection:
                    connection.send(upload_head(digest_of(data), len(data)) + data[:sent])
                    if number % 2:
                        connection.reset()
                if not until(lambda: blobs(store) == before):
                    failures.append(f"{driver}, cut after {sent} bytes: {set(blobs(store)) - set(before)} is left")
            note(failures, driver, kept.lost(server, ("changing:latest",)))
    report.none_of("clients that leave in the middle of an upload", failures, CUTS, "nothing left, nothing lost")


def two_writers(place, report, store, kept):
    """Two servers on one store write the same and other things at once, while a third one starts and ends."""
    draw, failures = random.Random(14), []
    for number in range(ROUNDS_OF_TWO):
        data = draw.randbytes(2 << 20)
        with (
            on_store(place, store, "--driver", DRIVERS[number % 2]) as one,
            on_store(place, store, "--driver", DRIVERS[number // 2 % 2]) as two,
        ):
            told = []
            jobs = [threading.Thread(target=write_all, args=(server, number, data, told)) for server in (one, two)]
            for job in jobs:
                job.start()
            with on_store(place, store):
                pass  # It looks for left-overs as it starts.
            for job in jobs:
                job.join()
            wrong = told + kept.lost(two, ("changing:latest",))
            if listed(one) != listed(two):
                wrong.append(f"one lists {sorted(listed(one))}, the other {sorted(listed(two))}")
            for name in listed(one).keys() - kept.models.keys():
                answer(one, name)
                call_ok(one.address, "DELETE", "/api/delete", {"model": name})
        wrong += aftermath(place, store, kept, "io_uring", ("changing:latest",))[0]
        note(failures, f"round {number + 1}", wrong)
        path_of(store, digest_of(data)).unlink(missing_ok=True)
    report.none_of("two servers write to one store at once", failures, ROUNDS_OF_TWO, "nothing lost")


def write_all(server, number, data, told):
    """One server's part of a round; both do the same."""
    try:
        for _ in range(3):
            status, body = upload(server, data)
            if status not in (200, 201):
                told.append(f"upload: {status} {body}")
            for name, source in (("shared", LLAMITA), ("changing:latest", MARIO)):
                create(server, name, **{"from": source}, system=f"Round {number}.")
            for destination in ("second", "changing:latest"):
                call_ok(server.address, "POST", "/api/copy", {"source": COPY, "destination": destination})
            # The other one may have removed it already.
            status, body = call(server.address, "DELETE", "/api/delete", {"model": "shared"})
            if status not in (200, 404):
                told.append(f"delete: {status} {body}")
    except (RuntimeError, Cut, OSError) as error:
        told.append(str(error))
