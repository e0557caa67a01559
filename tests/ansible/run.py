#!/usr/bin/env python3
"""Runs ansible-core's own integration targets, each in a throw-away booted Debian.

The suite comes from the ansible-core sdist (downloaded by `cargo xtask conformance`); the Debian from mkrootfs.sh.
Each target gets an overlay on the rootfs, booted by systemd-nspawn with loopback network only;
inside it the target is run as `ansible-test integration TARGET` would run it from a source tree.

The commands under test (`ansible-playbook`, `ansible`, ...) are those of --ansible-bin-dir,
first in PATH. Without it, they are the sdist's own: the baseline.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLI = {  # command -> module of ansible.cli, for the baseline
    'ansible': 'adhoc', 'ansible-config': 'config', 'ansible-console': 'console', 'ansible-doc': 'doc',
    'ansible-galaxy': 'galaxy', 'ansible-inventory': 'inventory', 'ansible-playbook': 'playbook',
    'ansible-pull': 'pull', 'ansible-vault': 'vault',
}
SRC = '/root/ansible'                                  # where the suite lies inside the sandbox
TMP = SRC + '/test/results/.tmp'
OUTPUT_DIR = TMP + '/output_dir'
PYTHON = '/usr/bin/python3.11'
SYMLINKS = {  # which the sdist holds as copies
    'ansible-doc': {'filter_plugins/split.yml': 'donothing.yml'},
    'ansible-galaxy-role': {'files/safe-symlinks/defaults/main.yml': 'common_vars/subdir/group0/main.yml',
                            'files/safe-symlinks/handlers/utils.yml': '../tasks/utils/suite.yml'},
    'ansible-vault': {'symlink/get-password-symlink': '../script/vault-secret.sh'},
    'gathering_facts': {'library/dummy2': 'dummy1', 'library/dummy3': 'dummy1'},
    'meta_tasks': {'inventory_refresh.yml': 'inventory_old.yml'},
    'roles': {'roles/vars_scope/tasks/check_vars.yml': '../../../tasks/check_vars.yml'},
}
WEB = {'apt', 'deb822_repository', 'dpkg_selections', 'git', 'pip', 'unarchive'}  # fetch from public hosts that the rootfs has stand-ins for
PREPARE = {  # run in the sandbox's copy of the targets, just before the target
    # the stand-in repositories cannot have the commits of the real ones
    'git': 'while read -r real ours; do grep -rl "$real" git | xargs -d "\\n" sed -i "s/$real/$ours/"; done < /srv/git/commits',
    # skips itself if the facts say that this is a container
    'hostname': 'for f in /proc/1/environ /run/systemd/container; do mount --bind /dev/null "$f"; done',
}
NSPAWN = ['systemd-nspawn', '-q', '--register=no', '--keep-unit', '--boot', '--private-network', '--hostname=testhost',
          '--capability=all', '--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=pipe',
          '--system-call-filter=@keyring', '--setenv=SYSTEMD_LOG_LEVEL=err']
NETWORK = '''(  # an interface with the default route, which leads nowhere
ip link add eth0 type veth peer name eth0p
ip link set eth0p up
ip link set eth0 up
ip address add 192.0.2.2/24 dev eth0
ip route add default via 192.0.2.1
) || true'''
UNIT = '''[Unit]
Description=integration target
After=multi-user.target
SuccessAction=exit-force
FailureAction=exit-force

[Service]
Type=oneshot
ExecStart=/bin/bash /conformance/run.sh
ExecStopPost=/bin/sh -c 'echo "$SERVICE_RESULT $EXIT_STATUS" > /conformance/result'
TimeoutStartSec={timeout}
TimeoutStopSec=5
StandardInput=null
StandardOutput=append:/conformance/log
StandardError=append:/conformance/log
'''


class Target:
    """One directory under test/integration/targets, with what its aliases file says."""

    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path)
        self.script = os.path.exists(path + '/runme.sh')
        try:
            lines = open(path + '/aliases', encoding='utf-8').read().splitlines()
        except OSError:
            lines = []
        self.aliases = [a for a in (re.sub(r'#.*', '', line).strip() for line in lines) if a]
        self.setup = self.after('setup/once/') + self.after('setup/always/')
        self.needs = self.after('needs/target/')
        self.hidden = self.name.startswith(('setup_', 'prepare_')) or 'hidden' in self.aliases

    def after(self, prefix, whole=False):
        found = {a[len(prefix):] for a in self.aliases if a.startswith(prefix)}
        return sorted(found if whole else {f.split('/')[0] for f in found})

    def has(self, alias):
        return any(a == alias or a.startswith(alias + '/') for a in self.aliases)

    def out_of_scope(self):
        """Why this target is not run by default, or None."""
        if self.hidden:
            return 'helper of other targets'
        if self.has('windows') or self.name.startswith('win_'):
            return 'windows'
        if self.has('network') or self.name.startswith('incidental_ios'):
            return 'network device'
        if self.has('cloud') and not self.has('cloud/httptester'):
            return 'cloud'
        if self.name == 'ansible-test' or self.name.startswith('ansible-test-'):
            return 'tests ansible-test'
        for alias in ('disabled', 'unsupported'):
            if self.has(alias):
                return alias
        if not any(self.has(a) for a in ('shippable', 'posix')):
            return 'not in any posix group'
        return None


class Suite:
    """The unpacked sdist: its targets and their dependencies."""

    def __init__(self, sdist):
        self.sdist = sdist
        self.version = re.search(r'ansible_core-([\d.]+[a-z\d]*)', sdist).group(1)
        paths = sorted(p.rstrip('/') for p in glob.glob(sdist + '/test/integration/targets/*/'))
        self.targets = {os.path.basename(p): Target(p) for p in paths}
        helpers = [t.name for t in self.targets.values() if t.hidden and not t.script]
        direct = {}
        for t in self.targets.values():
            deps = set(t.setup) | set(t.needs)
            for meta in glob.glob(t.path + '/meta/*'):  # ansible-test's own check is this primitive
                text = '\n'.join(x for x in open(meta, encoding='utf-8', errors='replace').read().splitlines() if not re.match(r' *#', x))
                deps.update(h for h in helpers if h in text)
            direct[t.name] = {d for d in deps if d in self.targets and d != t.name}
        self.deps = {}
        for name in direct:
            seen, todo = set(), [name]
            while todo:
                for d in direct[todo.pop()] - seen:
                    seen.add(d)
                    todo.append(d)
            self.deps[name] = sorted(seen | {name})


class Harness:
    def __init__(self, args):
        self.args = args
        self.suite = Suite(args.sdist)
        self.work = os.path.join(args.work, 'run-%d' % os.getpid())
        self.lock = threading.Lock()
        self.baseline = {}
        with open(HERE + '/targets.tsv', encoding='utf-8') as rows:
            for name, _, tasks, *_ in (row.rstrip('\n').split('\t') for row in rows if not row.startswith('#')):
                self.baseline[name] = int(tasks)
        self.running, self.stopping = set(), False
        self.slot = 0
        os.makedirs(self.work)
        os.makedirs(args.out + '/logs', exist_ok=True)
        self.layer = self.make_layer()

    def make_layer(self):
        """The read-only overlay layer above the rootfs: the suite and the commands under test."""
        layer = self.work + '/layer'
        src = layer + SRC
        os.makedirs(src)
        os.chmod(layer + '/root', 0o700)
        keep = ['test', 'README.md', 'pyproject.toml', 'setup.cfg', 'requirements.txt', 'MANIFEST.in', 'COPYING', 'licenses', 'packaging']
        if self.args.ansible_lib:
            keep.append('lib')
        for name in keep:
            path = os.path.join(self.suite.sdist, name)
            if os.path.exists(path):
                subprocess.run(['cp', '-a', path, src + '/' + name], check=True)
        subprocess.run(['chown', '-R', '0:0', src], check=True)
        if self.args.ansible_lib:
            info = '%s/lib/ansible_core-%s.dist-info' % (src, self.suite.version)
            os.makedirs(info)
            write(info + '/METADATA', 'Metadata-Version: 2.1\nName: ansible-core\nVersion: %s\n' % self.suite.version)
            subprocess.run([sys.executable, '-m', 'compileall', '-q', src + '/lib'], check=False)  # a warm start, if ours is the sandbox's Python version
        inject = layer + '/opt/inject'
        os.makedirs(inject)
        for name in ('python', 'python3', 'python3.11'):
            os.symlink(PYTHON, inject + '/' + name)
        shutil.copy(self.suite.sdist + '/test/lib/ansible_test/_util/target/injector/virtualenv.sh', inject)
        write(inject + '/python.py', '#!/bin/sh\nexec python "$@"\n')
        os.chmod(inject + '/python.py', 0o755)
        self.bin = SRC + '/bin'
        os.makedirs(layer + self.bin)
        if self.args.ansible_bin_dir:
            for name in sorted(os.listdir(self.args.ansible_bin_dir)):
                path = os.path.join(self.args.ansible_bin_dir, name)
                if os.path.isfile(path):
                    shutil.copy2(path, layer + self.bin + '/' + name, follow_symlinks=os.path.isabs(os.readlink(path)) if os.path.islink(path) else True)
        else:
            for name, module in CLI.items():
                os.symlink('../lib/ansible/cli/%s.py' % module, layer + self.bin + '/' + name)
        os.makedirs(layer + '/root/.ssh', mode=0o700)  # so that a shell over ssh finds the commands, too
        write(layer + '/root/.ssh/environment', 'PATH=%s\n%s' % (self.path(), 'PYTHONPATH=%s/lib\n' % SRC if self.args.ansible_lib else ''))
        unit = layer + '/etc/systemd/system'
        os.makedirs(unit + '/multi-user.target.wants')
        write(unit + '/conformance.service', UNIT.format(timeout=self.args.timeout))
        os.symlink('/etc/systemd/system/conformance.service', unit + '/multi-user.target.wants/conformance.service')
        return layer

    # what the sandbox runs

    def stage(self, upper, target, main):
        """Lay out one run of a target (the tested one, or a setup target) and return its shell lines."""
        suite = self.suite
        temp = '%s/integration/%s-%s-%s' % (TMP, target.name, 'c0nf0rm%d' % main,
                                            'ansible' if 'no/temp_unicode' in target.aliases else '\u00c5\u00d1\u015a\u00cc\u03b2\u0141\u00c8')
        integration = temp + '/test/integration'
        targets = integration + '/targets'
        os.makedirs(upper + targets)
        for name in suite.deps[target.name]:
            subprocess.run(['cp', '-a', '--no-preserve=ownership', suite.targets[name].path, upper + targets + '/' + name], check=True)
            for rel in suite.targets[name].after('needs/file/', whole=True):
                if os.path.exists(suite.sdist + '/' + rel):
                    os.makedirs(os.path.dirname(upper + temp + '/' + rel), exist_ok=True)
                    shutil.copy2(suite.sdist + '/' + rel, upper + temp + '/' + rel)
            for path, to in SYMLINKS.get(name, {}).items():
                path = upper + targets + '/' + name + '/' + path
                if os.path.lexists(path):
                    os.unlink(path)
                    os.symlink(to, path)
        config, inventory = integration + '/integration.cfg', integration + '/inventory'
        shutil.copy2(suite.sdist + '/test/lib/ansible_test/_data/ansible.cfg', upper + config)
        write(upper + inventory, self.inventory(target))
        if target.script:
            cwd, cmd = targets + '/' + target.name, ['./runme.sh']
        else:
            gather = 'gather_facts/no' not in target.aliases or 'gather_facts/yes' in target.aliases
            play = dict(hosts='testhost', gather_facts=gather, vars_files=[], vars=dict(output_dir=OUTPUT_DIR), roles=[target.name])
            env = self.extra_env(target)
            if env:
                play.update(environment=env, module_defaults={})
            cwd, book = integration, '%s-c0nf0rm.yml' % target.name
            write(upper + cwd + '/' + book, json.dumps([play], indent=4, sort_keys=True))
            cmd = ['ansible-playbook', book, '-i', 'inventory']
        cmd += ['-' + 'v' * self.args.verbosity] if self.args.verbosity else []
        env = self.environment(target, temp, config, inventory, cwd)
        if not target.script:
            env['ANSIBLE_ROLES_PATH'] = targets
        words = ['env', '-i'] + ['%s=%s' % kv for kv in sorted(env.items())] + cmd
        lines = ['rm -rf %s; mkdir -p %s' % (OUTPUT_DIR, OUTPUT_DIR), 'cd ' + shlex.quote(cwd), shlex.join(words)]
        if main and target.name in PREPARE:
            lines.insert(1, '(cd %s; %s)' % (shlex.quote(targets), PREPARE[target.name]))
        return lines

    def path(self):
        return ':'.join([self.bin, '/opt/inject', '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'])

    def inventory(self, target):
        controller = 'context/controller' in target.aliases
        if target.has('needs/ssh') and not controller:
            host = ('ansible_connection="ssh" ansible_pipelining="yes" ansible_python_interpreter="%s" ansible_host="localhost" '
                    'ansible_user="root" ansible_ssh_private_key_file="/root/.ssh/id_rsa"' % PYTHON)
        else:
            host = 'ansible_connection="local" ansible_pipelining="yes" ansible_python_interpreter="%s"' % PYTHON
        return '[testgroup]\ntesthost %s\n' % host

    @staticmethod
    def extra_env(target):
        return dict(HTTPTESTER='1', KRB5_PASSWORD='') if target.has('needs/httptester') or target.has('cloud/httptester') else {}

    def environment(self, target, temp, config, inventory, cwd):
        env = dict(
            LC_ALL='en_US.UTF-8', HOME='/root',
            PATH=self.path(),
            ANSIBLE_PYTHON_MODULE_RLIMIT_NOFILE='1024', ANSIBLE_FORCE_COLOR='false', ANSIBLE_FORCE_HANDLERS='true',
            ANSIBLE_HOST_PATTERN_MISMATCH='error', ANSIBLE_INVENTORY='/dev/null', ANSIBLE_DEPRECATION_WARNINGS='false',
            ANSIBLE_HOST_KEY_CHECKING='false', ANSIBLE_RETRY_FILES_ENABLED='false', ANSIBLE_DISPLAY_TRACEBACK='never',
            ANSIBLE_CONFIG=config, ANSIBLE_LIBRARY=SRC + '/test/support/integration/plugins/modules', ANSIBLE_DEVEL_WARNING='false',
            PAGER='/bin/cat', ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT='100', ANSIBLE_WORKER_SHUTDOWN_POLL_DELAY='0.1',
            ANSIBLE_TEST_ANSIBLE_LIB_ROOT=SRC + '/lib/ansible', ANSIBLE_PYTHON_INTERPRETER='/set/ansible_python_interpreter/in/inventory',
            JUNIT_OUTPUT_DIR=SRC + '/test/results/junit', JUNIT_TASK_RELATIVE_PATH=temp, JUNIT_REPLACE_OUT_OF_TREE_PATH='out-of-tree:',
            ANSIBLE_CALLBACKS_ENABLED='junit', ANSIBLE_TEST_CI='', ANSIBLE_TEST_COVERAGE='', ANSIBLE_TEST_ANSIBLE_VERSION=self.suite.version,
            ANSIBLE_TEST_PYTHON_VERSION='3.11', ANSIBLE_TEST_PYTHON_INTERPRETER=PYTHON,
            OUTPUT_DIR=OUTPUT_DIR, INVENTORY_PATH=inventory, ANSIBLE_PLAYBOOK_DIR=cwd,
        )
        if self.args.ansible_lib:
            env['PYTHONPATH'] = SRC + '/lib'
        for alias in target.aliases:
            match = re.match(r'env/set/([^/]+)/(.*)', alias)
            if match:
                env[match.group(1)] = match.group(2)
        env.update(self.extra_env(target))
        return env

    # one target

    def run(self, name):
        with self.lock:
            self.slot += 1
            slot = self.slot
            place = '%s/%d' % (self.work, slot)
        if self.stopping:
            return dict(target=name, result='stopped', rc=None, seconds=0)
        target = self.suite.targets[name]
        upper, root = place + '/upper', place + '/root'
        for d in (upper, place + '/overlay', root):
            os.makedirs(d)
        start = time.time()
        result = dict(target=name, result='error', rc=None, seconds=0)
        mounted = False
        try:
            os.makedirs(upper + '/root', mode=0o700)
            os.makedirs(upper + '/conformance')
            lines = ['exec < /dev/null', 'set -e', 'umask 022', 'ulimit -Sn 1024', NETWORK]
            if self.extra_env(target) or name in WEB:
                lines.append('/opt/conformance/httptester-start')
            for step in target.setup + [name]:
                lines += self.stage(upper, self.suite.targets[step], step == name)
            write(upper + '/conformance/run.sh', '\n'.join(lines) + '\n')
            subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o', 'lowerdir=%s:%s,upperdir=%s,workdir=%s/overlay'
                            % (self.layer, self.args.rootfs, upper, place), root], check=True)
            mounted = True
            boot = open(place + '/console', 'wb')
            proc = subprocess.Popen(NSPAWN + ['-M', 'conf-%d-%d' % (os.getpid(), slot), '-D', root],
                                    stdin=subprocess.DEVNULL, stdout=boot, stderr=boot, start_new_session=True)
            self.running.add(proc)
            try:
                proc.wait(self.args.timeout + 60)
            except subprocess.TimeoutExpired:
                kill_tree(proc)
            self.running.discard(proc)
            try:
                what, code = (open(upper + '/conformance/result').read().split() + [''])[:2]
            except (OSError, ValueError):
                what, code = 'none', ''
            result['result'] = {'success': 'pass', 'timeout': 'timeout', 'exit-code': 'fail', 'signal': 'fail'}.get(what, 'error')
            result['rc'] = int(code) if code.isdigit() else None
            result['tasks'] = tasks_ok(upper + '/conformance/log')
            if result['result'] == 'pass' and result['tasks'] < 0.9 * self.baseline.get(name, 0):
                result['result'] = 'thin'  # it ended well, but much was not run, or not reported
        except Exception as ex:                                  # a harness fault must not end the whole run
            result['error'] = repr(ex)
        finally:
            result['seconds'] = round(time.time() - start, 1)
            log = '%s/logs/%s.log' % (self.args.out, name)
            for source in (upper + '/conformance/log', place + '/console'):
                if os.path.exists(source) and os.path.getsize(source):
                    shutil.copyfile(source, log)
                    break
            if mounted:
                unmount(root)
            if not self.args.keep:
                subprocess.run(['chattr', '-R', '-f', '-i', '-a', upper], stderr=subprocess.DEVNULL, check=False)
                shutil.rmtree(place, ignore_errors=True)
        return result

    def stop(self, *_):
        """On a signal: end what runs, start nothing more."""
        self.stopping = True
        for proc in list(self.running):
            proc.kill()

    def close(self):
        if not self.args.keep:
            shutil.rmtree(self.work, ignore_errors=True)


def tasks_ok(log):
    """How many task results the play recaps in a log count as ok."""
    try:
        text = open(log, encoding='utf-8', errors='replace').read()
    except OSError:
        return 0
    return sum(int(n) for n in re.findall(r'^\S.*: ok=(\d+) ', text, re.M))


def write(path, text):
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def kill_tree(proc):
    """End an nspawn that did not end by itself; its pid 1 dies with it."""
    proc.terminate()
    try:
        proc.wait(10)
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait()


def unmount(path):
    for _ in range(20):
        if subprocess.run(['umount', path], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(0.25)
    subprocess.run(['umount', '-l', path], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ansible-bin-dir', metavar='DIR', help='the commands under test (default: the sdist\'s own Ansible)')
    parser.add_argument('--ansible-lib', choices=['auto', 'yes', 'no'], default='auto',
                        help='put the sdist\'s Python package "ansible" on PYTHONPATH (auto: only without --ansible-bin-dir)')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--timeout', type=int, default=600, metavar='S', help='seconds for one target')
    parser.add_argument('--list', metavar='FILE', help='targets, one a line; # starts a comment')
    parser.add_argument('--show', action='store_true', help='only print which targets would run, and why the others would not')
    parser.add_argument('--sdist', default='/var/tmp/conformance-suite/ansible_core-2.19.14', help='the unpacked ansible-core sdist')
    parser.add_argument('--rootfs', default='/var/tmp/conformance-rootfs')
    parser.add_argument('--work', default='/var/tmp/conformance-work', help='where the overlays lie')
    parser.add_argument('--out', default='/var/tmp/conformance-out', help='results.jsonl and logs/')
    parser.add_argument('--keep', action='store_true', help='keep the overlays')
    parser.add_argument('-v', '--verbosity', action='count', default=0, help='passed on to the target')
    parser.add_argument('targets', nargs='*', metavar='TARGET')
    args = parser.parse_args()
    args.ansible_lib = args.ansible_lib == 'yes' or (args.ansible_lib == 'auto' and not args.ansible_bin_dir)
    args.out = os.path.abspath(args.out)

    suite = Suite(args.sdist)
    names = list(args.targets)
    if args.list:
        names += [x for x in (re.sub(r'#.*', '', line).strip() for line in open(args.list, encoding='utf-8')) if x]
    if not names:
        names = [t.name for t in suite.targets.values() if not t.out_of_scope()]
    unknown = [n for n in names if n not in suite.targets]
    if unknown:
        parser.error('no such target: ' + ' '.join(unknown))
    if args.show:
        for t in suite.targets.values():
            print('%-50s %s' % (t.name, 'run' if t.name in names else t.out_of_scope() or 'not asked for'))
        return 0

    harness = Harness(args)
    signal.signal(signal.SIGINT, harness.stop)
    signal.signal(signal.SIGTERM, harness.stop)
    counts = {}
    start = time.time()
    try:
        with open(args.out + '/results.jsonl', 'a', encoding='utf-8') as out, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for future in concurrent.futures.as_completed([pool.submit(harness.run, n) for n in names]):
                result = future.result()
                if harness.stopping:
                    continue
                counts[result['result']] = counts.get(result['result'], 0) + 1
                line = json.dumps(result)
                print(line, flush=True)
                out.write(line + '\n')
                out.flush()
    finally:
        harness.close()
    print('%d targets in %.0f s: %s' % (len(names), time.time() - start, ', '.join('%d %s' % (v, k) for k, v in sorted(counts.items()))))
    return 0 if set(counts) <= {'pass'} else 1


if __name__ == '__main__':
    sys.exit(main())
