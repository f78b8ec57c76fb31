"""The files with which a server is put up for a team, each run as far as this machine can: what they say works."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import partysync_widget as ps
from tests.conftest import free_port

TOP = Path(__file__).parents[2]
CONTAINER, UNIT, KUBERNETES = (
    TOP / "server" / name for name in ("Containerfile", "partysync.service", "kubernetes.yaml")
)
SECRET = "of-a-deployment-0123456789"
PORT = "8765"


def container():
    """The instructions of the last stage, as (word, rest), and those of the one before."""
    text = re.sub(r"(?m)^#.*\n", "", CONTAINER.read_text()).replace("\\\n", " ")
    lines = [tuple(line.strip().split(None, 1)) for line in text.splitlines() if line.strip()]
    *_, last = (place for place, (word, _) in enumerate(lines) if word == "FROM")
    return lines[last:], lines[:last]


def of_container():
    stage, _ = container()
    said = dict(stage)
    check = said["HEALTHCHECK"].split("CMD", 1)[1]
    return json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"]), json.loads(check), {"PARTYSYNC_DATA": "/data"}


def of_unit():
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str
    unit.read_string(UNIT.read_text())
    command = shlex.split(unit["Service"]["ExecStart"].replace("${STATE_DIRECTORY}", "/data"))
    token, source = unit["Service"]["LoadCredential"].split(":")
    assert (token, source) == ("token", "/etc/partysync/token")
    command = [part.replace("${CREDENTIALS_DIRECTORY}", "/run/secrets") for part in command]
    return ["partysync", *command[1:]], None, {}


def of_kubernetes():
    pod = kubernetes()["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    assert pod["startupProbe"]["exec"] == pod["livenessProbe"]["exec"]
    return ["partysync", *pod["args"]], pod["livenessProbe"]["exec"]["command"], {"PARTYSYNC_DATA": "/data"}


def kubernetes():
    return {each["kind"]: each for each in yaml.safe_load_all(KUBERNETES.read_text())}


@pytest.fixture
def here(tmp_path):
    """What a file says, with its folders and its port in the place of those of this machine, and our own Python."""
    (tmp_path / "data").mkdir(mode=0o700)
    port = str(free_port())

    def here(command):
        assert command[0] == "partysync"
        moved = []
        for part in command[1:]:
            name, equals, value = part.partition("=")
            if value.startswith("/run/secrets"):
                token = tmp_path / "token"
                token.write_text(f"{SECRET}\n")
                token.chmod(0o440)
                value = str(token)
            value = re.sub(r"^/data$", str(tmp_path / "data"), value).replace(PORT, port)
            if name == "--ip":
                value = "127.0.0.1"
            moved.append(name + equals + value)
        return [sys.executable, "-m", "partysync_server", *moved]

    here.url = f"http://127.0.0.1:{port}"
    return here


@pytest.mark.parametrize("says", [of_container, of_unit, of_kubernetes])
def test_what_it_says_serves_is_healthy_and_stops_when_it_is_told(says, here, tmp_path, isolated):
    """R4. What was accepted is there after SIGTERM, which is how each of them stops a server."""
    command, probe, environment = says()
    environment = {**isolated, **{name: str(tmp_path) + value for name, value in environment.items()}}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(here(command), env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert server.stdout.readline().startswith("Rooms at http")
        with ps.connect("kept", url=here.url, token=SECRET) as room:
            for n in range(20):
                room.table("t", n=int).insert(id=str(n), n=n).result(8)
        if probe is not None:
            done = subprocess.run(here(probe), env=environment, capture_output=True, text=True, timeout=20, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith("PartySync ")
        with ps.connect("kept", url=here.url, token=SECRET) as room:
            last = room.table("t", n=int).insert(id="last", n=20)
            last.result(8)
            server.send_signal(signal.SIGTERM)
            assert server.wait(15) == 0
    finally:
        server.kill()
        server.stdout.close()
    if probe is not None:
        done = subprocess.run(here(probe), env=environment, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"partysync: The server at {here.url} does not answer")
        assert "Traceback" not in done.stderr
    [file] = (tmp_path / "data").rglob("kept-*.db")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.with_name(f"{file.name}-wal").exists()  # folded when it stopped
    again = subprocess.Popen(
        here(command), env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        again.stdout.readline()
        with ps.connect("kept", url=here.url, token=SECRET) as room:
            assert len(room.table("t", n=int).records) == 21
    finally:
        again.terminate()
        again.wait(15)
        again.stdout.close()


def test_the_image_is_built_of_what_is_copied_into_it(tmp_path):
    """Its own `pip wheel`, with nothing else there: no Node, no git, no file of the working copy that is not named."""
    stage, build = container()
    for what in (rest for word, rest in build if word == "COPY"):
        *sources, to = what.split()
        for source in sources:
            assert to in (source, "./")
            if (TOP / source).is_dir():
                shutil.copytree(TOP / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__", "static"))
            else:
                shutil.copy(TOP / source, tmp_path)
    [run] = (rest for word, rest in build if word == "RUN")
    assert run == 'PARTYSYNC_SKIP_JS=1 pip wheel --no-cache-dir --wheel-dir /wheels ".[server]"'
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, "--wheel-dir", "wheels", "."],
        cwd=tmp_path, env={**os.environ, "PARTYSYNC_SKIP_JS": "1", "PATH": "/nowhere"}, check=True, timeout=100,
    )  # fmt: skip
    [wheel] = (tmp_path / "wheels").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert {"partysync_server/cli.py", "partysync_server/access.sql", "partysync_widget/core/replica.py"} <= set(names)
    said = dict(stage)
    assert said["USER"] == str(kubernetes()["StatefulSet"]["spec"]["template"]["spec"]["securityContext"]["runAsUser"])
    assert said["EXPOSE"] == PORT


def test_systemd_takes_the_unit_and_finds_it_well_locked(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not here")
    unit = tmp_path / "partysync.service"
    unit.write_text(UNIT.read_text().replace("/opt/partysync/bin/partysync", "/bin/true"))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_kubernetes_has_one_server_on_a_disk_and_a_token_that_not_everybody_reads():
    """Two servers on one folder would refuse each other; on a share SQLite's locks do not hold."""
    found = kubernetes()
    rooms, service = found["StatefulSet"]["spec"], found["Service"]["spec"]
    pod = rooms["template"]["spec"]
    [one] = pod["containers"]
    [claim] = rooms["volumeClaimTemplates"]
    assert rooms["replicas"] == 1
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"]} == {
        mount["name"] for mount in one["volumeMounts"]
    }
    [token] = (volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    assert token["defaultMode"] & 0o007 == 0
    assert service["selector"] == rooms["selector"]["matchLabels"] == rooms["template"]["metadata"]["labels"]
    assert one["ports"][0]["containerPort"] == service["ports"][0]["port"] == int(PORT)
    assert f"kubectl create secret generic {token['secretName']} --from-literal=token=" in KUBERNETES.read_text()
