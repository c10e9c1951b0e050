"""The part of point 3 that wants root: a disk that is full, a folder that is read-only, a user who may not write."""

import os
import shutil
import subprocess
from contextlib import contextmanager

from kept import (
    COPY, LLAMITA, Kept, answer, broken_blobs, create, digest_of, fill, left_over, listed, on_store, refusal, until,
    upload,
)
from place import NotRun
from web import call, call_ok

DRIVERS = ("io_uring", "epoll")
DISK_MIB = 16
BLOCK = 4096
# Room left on the disk for each create that may or may not fit; half of the creates bring more text than that.
ROOMS = [blocks * BLOCK for blocks in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)]
FULL = "the disk is full"
READ_ONLY = "the file system is read-only"
FORBIDDEN = "the server has no permission to do that in the model folder"
NOBODY = 65534


def run(place, report):
    if os.geteuid() != 0:
        raise NotRun("a small disk and another user want root")
    full_disk(place, report)
    read_only(place, report)
    another_user(place, report)


@contextmanager
def small_disk(place):
    folder = place.folder("disk")
    mount("-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=755", "tmpfs", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def mount(*words):
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotRun(f"mount {' '.join(map(str, words))}: {done.stderr.strip()}")


def leave_room(folder, room):
    """Fills the disk up to so many bytes."""
    filler = folder / "filler"
    filler.unlink(missing_ok=True)
    disk = os.statvfs(folder)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(disk.f_bavail * disk.f_frsize - room, 1))


def full_disk(place, report):
    tried, failures = 0, []
    for driver in DRIVERS:
        with small_disk(place) as folder, on_store(place, folder / "store", "--driver", driver) as server:
            store = folder / "store"
            fill(server, place)
            kept = Kept(server)
            for what, wrong in full_disk_cases(server, folder):
                tried += 1
                extra = listed(server).keys() - kept.models.keys()
                wrong += [f"{name} is listed and does not answer" for name in extra if not answers(server, name)]
                wrong += kept.lost(server)
                wrong += [f"{name} has other bytes than its name says" for name in broken_blobs(store)]
                if not until(lambda: not left_over(store)):
                    wrong.append(f"left behind: {left_over(store)}")
                if wrong:
                    failures.append(f"{driver}, {what}: {'; '.join(wrong)}")
                (folder / "filler").unlink(missing_ok=True)
                for name in extra:
                    call_ok(server.address, "DELETE", "/api/delete", {"model": name})
            create(server, "after", **{"from": LLAMITA}, system="There is room again.")
    report.none_of("the disk is full", failures, tried, "a clear error, nothing lost")


def answers(server, name):
    try:
        answer(server, name)
    except RuntimeError:
        return False
    return True


def full_disk_cases(server, folder):
    """Each is a name and what went wrong in it, beyond what the store shows."""
    for mib in (DISK_MIB, 2 * DISK_MIB, 1):
        leave_room(folder, (mib << 20) // 2 if mib == 1 else 8 << 20)
        data = os.urandom(mib << 20)
        status, body = upload(server, data)
        yield f"an upload of {mib} MiB", [] if status == 500 and FULL in body else [f"{status} {body}"]
    leave_room(folder, 1 << 20)
    # Half of the weights, so that it cannot fit.
    said = refusal(server, "POST", "/api/create", request("quantized", quantize="q8_0"))
    yield "a create that quantizes", [] if FULL in said else [said]
    for room in ROOMS:
        leave_room(folder, room)
        text = "x" * (room // 2 if room > 4 * BLOCK else room * 2 + 100)
        status, body = call(server.address, "POST", "/api/create", request(f"room-{room}", system=text))
        fine = status == 200 or (status == 500 and FULL in str(body))
        yield f"a create with {room} bytes of room", [] if fine else [f"{status} {body}"]
    leave_room(folder, 0)
    said = refusal(server, "POST", "/api/copy", {"source": COPY, "destination": "one-more"})
    yield "a copy", [] if FULL in said else [said]
    leave_room(folder, 0)
    call_ok(server.address, "POST", "/api/copy", {"source": COPY, "destination": COPY})
    yield "a copy to itself", []


def request(model, **more):
    return {"model": model, "from": LLAMITA, "stream": False, **more}


def refused(server, why):
    """What is not refused with this reason, of all that writes."""
    data = os.urandom(300_000)
    told = {"upload": upload(server, data)[1]}
    for what, method, path, body in (
        ("create", "POST", "/api/create", request("new", system="x")),
        ("create that quantizes", "POST", "/api/create", request("new", quantize="q8_0")),
        ("copy", "POST", "/api/copy", {"source": COPY, "destination": "new"}),
        ("delete", "DELETE", "/api/delete", {"model": COPY}),
    ):
        told[what] = refusal(server, method, path, body)
    return len(told), [f"{what}: {said}" for what, said in told.items() if why not in said]


def says_so(server):
    return [] if "models can be run and not be created" in server.text() else ["the log does not say it at start"]


def read_only(place, report):
    tried, failures = 0, []
    for driver in DRIVERS:
        with small_disk(place) as folder:
            store = folder / "store"
            with on_store(place, store, "--driver", driver) as server:
                fill(server, place)
                kept = Kept(server)
                # From one moment to the next, as an error of the disk does it.
                mount("-o", "remount,ro", folder)
                count, wrong = refused(server, READ_ONLY)
                wrong += kept.lost(server)
            with on_store(place, store, "--driver", driver) as server:
                again, more = refused(server, READ_ONLY)
                wrong += more + says_so(server) + kept.lost(server)
            mount("-o", "remount,rw", folder)
            with on_store(place, store, "--driver", driver) as server:
                wrong += kept.lost(server)
                create(server, "after", **{"from": LLAMITA}, system="It can be written again.")
            tried += count + again
            failures += [f"{driver}: {why}" for why in wrong]
    report.none_of("the folder is read-only", failures, tried, "a clear error, nothing lost")


def another_user(place, report):
    """A user who may read the store and not write there: root is never refused."""
    if not shutil.which("setpriv"):
        raise NotRun("setpriv is not installed")
    # The user has to come to the store and to the binary.
    place.work.chmod(0o755)
    binary = place.work / "llamero-for-all"
    shutil.copy(place.serving(), binary)
    binary.chmod(0o755)
    program = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", str(binary)]
    tried, failures = 0, []
    for driver in DRIVERS:
        store = place.folder("owned")
        store.chmod(0o755)
        with on_store(place, store, "--driver", driver) as server:
            fill(server, place)
            kept = Kept(server)
        before = sorted(store.rglob("*"))
        with on_store(place, store, "--driver", driver, program=program) as server:
            count, wrong = refused(server, FORBIDDEN)
            status, body = upload(server, place.llamita("llamita-f16.gguf").read_bytes())
            if status != 200:
                wrong.append(f"a blob that is there: {status} {body}")
            wrong += says_so(server) + kept.lost(server)
        if sorted(store.rglob("*")) != before:
            wrong.append("there are other files than before")
        tried += count + 1
        failures += [f"{driver}: {why}" for why in wrong]
        place.stores.append(store)
    report.none_of("another user serves", failures, tried, "a clear error, nothing lost")
