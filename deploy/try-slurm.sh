#!/usr/bin/env bash
# Tests deploy/shakedown.sbatch on a cluster of one node on loopback: a sweep, and then a hunt, run as an
# array job of four shards, one of which is killed and requeued. The merged files must be those of one uninterrupted run.
#
#   deploy/try-slurm.sh [path to the shakedown binary]
#
# Needs root on Debian: installs slurm-wlm and munge if they are missing. Everything else is in a temporary folder, and
# the script ends only processes that it started.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
SHAKEDOWN=$(realpath "${1:-target/release/shakedown}")
export SHAKEDOWN

if ! command -v slurmctld munged > /dev/null; then
    apt-get install -y --no-install-recommends slurm-wlm munge
fi

place=$(mktemp -d /tmp/try-slurm.XXXXXX)
chmod 755 "$place"
started=()
finish() {
    for process in "${started[@]}"; do kill "$process" 2> /dev/null || true; done
    wait 2> /dev/null || true
    rm -rf "$place"
}
trap finish EXIT

# The cluster has credentials of its own, so that the machine's are not touched.
mkdir -p "$place/munge" "$place/state" "$place/spool"
chmod 711 "$place/munge"
dd if=/dev/urandom of="$place/munge/key" bs=1024 count=1 status=none
chmod 600 "$place/munge/key"
munged --foreground --force --key-file="$place/munge/key" --socket="$place/munge/socket" \
    --pid-file="$place/munge/pid" --log-file="$place/munge/log" --seed-file="$place/munge/seed" > /dev/null 2>&1 &
started+=($!)

node=$(hostname -s)
cat > "$place/slurm.conf" << CONF
ClusterName=try
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket
CryptoType=crypto/munge
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=1000
MailProg=/bin/true
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$place/slurm.conf
slurmctld -D -f "$SLURM_CONF" > /dev/null 2>&1 &
started+=($!)
slurmd -D -f "$SLURM_CONF" -N "$node" > /dev/null 2>&1 &
started+=($!)
for _ in $(seq 60); do
    if [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ]; then break; fi
    sleep 1
done
state=$(sinfo --noheader --format=%T || true)
if [ "$state" != idle ]; then
    echo "the cluster did not come up: ${state:-no answer}" >&2
    tail -n 5 "$place"/slurm*.log >&2
    exit 3
fi

cd "$place"

# as_array_job NAME RUNS COMMAND SCENARIO SEEDS [OPTION...]: runs the command once; then as four tasks, the third of which is killed and
# requeued once RUNS shows that it is partly done; then compares both.
as_array_job() {
    local name=$1 runs=$2 command=$3 scenario=$4 seeds=$5 job partial left
    shift 5
    mkdir "$name"
    cd "$name"
    partial="results/$(basename "$scenario" .toml)/$command-${seeds/../-}*-shard-2-of-4-partial"

    echo "$name: in one piece"
    "$SHAKEDOWN" "$command" "$scenario" --seeds "$seeds" --out whole "$@" || [ $? -eq 1 ]

    echo "$name: as an array job"
    job=$(sbatch --parsable --array=0-3 --cpus-per-task=1 --mem=200M --output="task-%a.out" \
        "$repository/deploy/shakedown.sbatch" "$command" "$scenario" "$seeds" "$@")
    for _ in $(seq 1200); do
        if [ "$($runs "$partial")" -ge 3 ]; then break; fi
        sleep 0.05
    done
    echo "$name: task 2 has done $($runs "$partial") runs: killed and requeued"
    scontrol requeue "${job}_2"
    # Slurm delays a requeued task, unless it is released. Not at once: what is launched in the second in which it was killed, slurmd
    # takes for the killed one ("already killed, do not launch"), and the controller believes that it runs.
    sleep 2
    left=unknown
    for _ in $(seq 600); do
        scontrol release "${job}_2" 2> /dev/null || true
        # The answer must say that all tasks have ended; a busy controller may not answer, or not know yet which tasks it requeues.
        if left=$(squeue --noheader --jobs="$job" 2> /dev/null) && [ -z "$left" ] && [ "$($runs "$partial")" -eq 0 ]; then break; fi
        scontrol update JobId="${job}_2" StartTime=now 2> /dev/null || true
        sleep 0.5
    done
    cat task-*.out
    if [ -n "$left" ] || [ "$($runs "$partial")" -ne 0 ]; then
        echo "$name: the requeued task did not end" >&2
        squeue --jobs="$job" >&2 || true
        tail -n 5 "$place/slurmd.log" >&2
        exit 1
    fi

    "$SHAKEDOWN" merge results/*/*-shard-*-of-4 --out merged || [ $? -eq 1 ]
    diff -r whole merged
    echo "$name: what was merged is what came out in one piece, byte for byte"
    echo
    cd ..
}
# The number of runs that a shard has recorded so far. $1 is a pattern, because the folder's name contains a hash.
# shellcheck disable=SC2086
rows() { cat $1/rows.jsonl 2> /dev/null | wc -l; }
# shellcheck disable=SC2086
seen() { grep -ohE '"runs": [0-9]+' $1/hunt.json 2> /dev/null | grep -oE '[0-9]+' || echo 0; }

scenarios=$repository/scenarios
as_array_job sweep rows sweep "$scenarios/failover.toml" 0..120 --set clients.players.count=500 --quiet
# A hunt that finds nothing.
as_array_job hunt seen hunt "$scenarios/chaos.toml" 0..3000
# A hunt that finds something, in another shard than the one that is killed.
as_array_job find seen hunt "$scenarios/chaos.toml" 0..3000 --set 'expect."lost.total"="<= 86"'
