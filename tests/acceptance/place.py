"""Where everything lies: the checkout, the binaries, the models, the peers, and a folder for what comes up."""

import importlib.util
import os
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parents[2]


class NotRun(Exception):
    """Something that a point needs is not on this machine."""


class Place:
    def __init__(self, options, work, environment):
        self.root = ROOT
        self.work = work
        self.binaries = options.binaries.resolve()
        self.llamero = (options.llamero or options.binaries / "llamero").resolve()
        self.demo_folder = options.demo
        self.gpu = options.gpu
        self.shared = Path(environment.get("SHARED") or ROOT.parent / "shared")
        self.peers = Path(environment["PEERS"]) if environment.get("PEERS") else None
        self.target = environment.get("ACCEPT_TARGET_DIR")
        self.logs = []
        self.folders = 0
        # Folders of models that points leave behind.
        self.stores = []

    def machine(self):
        return machine.name()

    def folder(self, name):
        """A new, empty folder."""
        self.folders += 1
        path = self.work / f"{self.folders}-{name}"
        path.mkdir()
        return path

    def log(self, name):
        """A file for the log of a process; its end is shown when the point breaks off."""
        path = self.work / f"{name}-{len(list(self.work.glob('*.log')))}.log"
        self.logs.append(path)
        return path

    def point_begins(self):
        self.logs.clear()

    def show_logs(self):
        for log in self.logs[-3:]:
            text = log.read_text(errors="replace") if log.exists() else ""
            print(f"--- the end of {log.name}\n{text[-2000:]}", flush=True)

    def program(self, path):
        if not os.access(path, os.X_OK):
            raise NotRun(f"{path} is not built")
        return str(path)

    def existing(self, folder):
        """A folder that somebody named."""
        path = Path(folder).resolve()
        if not path.is_dir():
            raise NotRun(f"{path} is not there")
        return path

    def serving(self):
        return self.program(self.llamero)

    def loadtest(self):
        return self.program(self.binaries / "llamero-loadtest")

    def hyper(self):
        return self.program(self.binaries / "examples" / "peer-hyper")

    def llama_server(self):
        if self.peers is None:
            raise NotRun("PEERS does not say where llama-server is")
        return self.program(self.peers / "lbuild" / "bin" / "llama-server")

    def ollama(self):
        if self.peers is None:
            raise NotRun("PEERS does not say where ollama-bin is")
        return self.program(self.peers / "ollama-bin")

    def llamita(self, name):
        """A file of the small test model: the shared one if it is there, else the checkout's copy."""
        for folder in (self.shared / "models" / "llamita", self.root / "tests" / "data" / "llamita"):
            if (folder / name).exists():
                return folder / name
        raise NotRun(f"llamita's {name} is neither in {self.shared} nor in the checkout")

    def demo_model(self):
        """The GGUF that `make demo` uses, fetched the same way."""
        spec = importlib.util.spec_from_file_location("demo", self.root / "configs" / "setup" / "demo.py")
        demo = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(demo)
        self.demo_folder.mkdir(parents=True, exist_ok=True)
        return demo.fetch(self.demo_folder)
