"""Commands that end with everything they started: at their time limit, at Ctrl-C and at SIGTERM first asked, then killed."""
import ctypes
import os
import pathlib
import signal
import subprocess
import time

GRACE_SECONDS = 20.0  # for what was asked to stop: cce tells its ranks and keeps what it has
KILL_SECONDS = 10.0   # a process inside a driver's call dies only when that returns
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Makes orphans of this process's descendants its children, so that a session of their own does not hide them."""
    try:
        return ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


def descendants():
    """Process numbers of all that descends from this process and has not ended."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()[:2]
        except (OSError, IndexError, ValueError):
            continue  # it has ended meanwhile
        children.setdefault(int(parent), []).append((int(entry.name), state))
    found, waiting = set(), [os.getpid()]
    while waiting:
        for child, state in children.get(waiting.pop(), []):
            waiting.append(child)
            if state not in "ZX":
                found.add(child)
    return found


def reap(process_ids):
    for process_id in process_ids:
        try:
            os.waitpid(process_id, os.WNOHANG)
        except ChildProcessError:
            pass  # another one's child


def kill_all_but(spared):
    """Kills this process's descendants but those; returns which are left after KILL_SECONDS."""
    deadline, seen = time.monotonic() + KILL_SECONDS, set()
    while True:
        left = descendants() - spared
        seen |= left
        if not left or time.monotonic() > deadline:
            reap(seen)
            return left
        for process_id in left:
            try:
                os.kill(process_id, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)


def ask_to_stop(process, grace):
    """SIGINT to the command's group, then as long as it may take to end."""
    try:
        os.killpg(process.pid, signal.SIGINT)
    except ProcessLookupError:
        return
    try:
        process.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        pass


def run_command(command, environment, log_path, timeout, grace=GRACE_SECONDS):
    """(exit code or None at the time limit, output, seconds). Nothing that it started is left, however this ends."""
    adopt_orphans()
    spared, started, code = descendants(), time.monotonic(), None
    with open(log_path, "w", encoding="utf-8") as log:
        log.write("$ " + " ".join(command) + "\n")
        log.flush()
        try:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            log.write(str(error))
            return 127, str(error), 0.0
        try:
            code = process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            ask_to_stop(process, grace)
        except KeyboardInterrupt:
            ask_to_stop(process, grace)
            raise
        finally:
            left = kill_all_but(spared)
            process.poll()
            if left:
                log.write(f"these processes could not be killed: {sorted(left)}\n")
    text = log_path.read_text(encoding="utf-8", errors="replace")
    return code, text, time.monotonic() - started
