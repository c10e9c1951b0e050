#!/usr/bin/env python3
"""What the store has to show, measured on this machine.

    store.py --binaries target/release [--only 3,4] [--markdown FILE]

Prints a line for each demand with its figure and its bound, then a table in Markdown, and ends with 1 unless every
demanded line was run and met. PEERS names the folder with ollama-bin, SHARED the one with reference/api (default: `shared`
beside the checkout). Small disks and other users want root. Point 6 looks at the stores that the points before it leave.
"""

import sys

sys.dont_write_bytecode = True

import big_upload
import curls
import hostile_files
import points
import recorded
import store_faults
import taken_over

POINTS = {
    1: ("recorded answers", recorded),
    2: ("an upload of 2 GB", big_upload),
    3: ("faults in the middle", store_faults),
    4: ("damaged files", hostile_files),
    5: ("curl commands", curls),
    6: ("a real Ollama on what is left", taken_over),
}

if __name__ == "__main__":
    points.main(__doc__, POINTS)
