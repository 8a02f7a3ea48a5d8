# shellcheck shell=bash
# The verbs that the steps are made of. `apply` and every step source this file; it does nothing by itself.
#
# A verb declares one thing about this host. What is done about it depends on the mode of the run:
#
#   list       say what the verb manages
#   preflight  refuse, before anything is changed, whatever would make it fail later
#   check      compare with the host and say what would change
#   apply      compare, and change what differs
#   verify     prove that the host is right
#   rollback   name what is left alone, restart what reads the files that were put back (rollback.sh)
#   readers    say only which service reads which file (a step that --only leaves out)
#
# Behind a verb stands a family of functions, so that `--check` and `apply` decide by the same code:
#
#   FAMILY_need     preflight; calls `refuse` for every problem it finds
#   FAMILY_compare  sets DIFFERS to what is not yet as declared, or leaves it empty
#   FAMILY_do       makes it so
#   FAMILY_diff     shows the difference, never a secret (optional)
#   FAMILY_prove    what --verify shows beyond "nothing differs" (optional)
#   FAMILY_remember what later runs must know of this one (optional)

set -Eeuo pipefail
shopt -s inherit_errexit 2>/dev/null || : # bash >= 4.4: $(…) keeps errexit
umask 077
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
# the caller's settings must not redirect ours, nor change how programs read their arguments and what they print
unset CEPH_ARGS CEPH_CONF CEPH_KEYRING PYTHONHOME PYTHONPATH BASH_ENV ENV TMPDIR
unset CDPATH GLOBIGNORE POSIXLY_CORRECT TAR_OPTIONS GREP_OPTIONS GREP_COLOR GREP_COLORS

LIB=${BASH_SOURCE[0]%/*}
BUNDLE=${CEPHOS_BUNDLE:-${LIB%/*}}
MODE=${CEPHOS_MODE:-none}     # list, preflight, check, apply, verify or rollback
RUN=${CEPHOS_RUN:-}           # private folder of this run, on tmpfs, gone when it ends
STEP=${CEPHOS_STEP:-${0##*/}} # name of the running step, for the reader
DIFF=${CEPHOS_DIFF:-}         # with --check: show differences as well
SITE=${CEPHOS_SITE:-}         # from host.env
HOST=${CEPHOS_HOST:-}         # from host.env
STATE=/var/lib/cephos/$SITE   # what must outlive a run: pristine files, restarts owed
HANDOFFS=/var/lib/cephos/handoff
LOG=/var/log/cephos/$SITE.log
TMPDIR=${RUN:-/run} # where bash before 5.1 keeps the text of <<<, which may hold a key
CEPH_DIR=/etc/ceph  # os-brick looks for keyrings here and nowhere else
PATIENCE=60         # seconds that any one external command may take
CEPH_PATIENCE=15    # seconds that a cluster may take to let us in
PLACE=16            # MiB that must be free where files are replaced or kept
SEALED_MAX=1048576  # bytes that all files of a hand-off may have together
SIGNERS=/etc/cephos/allowed_signers

# shellcheck source-path=SCRIPTDIR source=files.sh
. "$LIB/files.sh"

# ---------------------------------------------------------------------------------------------------------------
# Saying what happens

report() { # STATUS WHAT: one line per action, for the operator and for the log
  local line
  printf -v line '%-13s %-20s %s' "$1" "$STEP" "$2"
  if [[ -n $RUN ]]; then printf '%s\n' "$1" >>"$RUN/statuses"; fi
  log "$line"
  say "$line"
}

say() { # TEXT: apart, since a reader who is gone (a lost connection, `| head`) ends whoever writes; nobody need read what is done
  (printf '%s\n' "$1") 2>/dev/null || :
}

log() { # LINE: with the time, in the site's log; a full disk must not stop the work
  [[ -n $SITE && $EUID -eq 0 ]] || return 0
  {
    [[ -d ${LOG%/*} ]] || mkdir -p "${LOG%/*}" || return 0
    printf '%(%Y-%m-%dT%H:%M:%S%z)T %s\n' -1 "$1" >>"$LOG" || :
  } 2>/dev/null
}

advise() { note "-> $1"; } # TEXT: what the reader should do now

note() { # TEXT: what belongs to the lines around it
  local line
  printf -v line '%-34s %s' '' "$1"
  log "  $1"
  say "$line"
}

fail() { # CAUSE [ADVICE]: this action could not be done; the run ends here
  report failed "${WHAT:+$WHAT: }$1"
  if [[ -n ${2:-} ]]; then advise "$2"; fi
  trap - ERR
  exit 1
}

# EXIT CAUSE [ADVICE]: preflight found that the run must not start; go on to find the rest
refuse() {
  if grep -qsxF -- "$1 $WHAT $2" "$RUN/refusals"; then return 0; fi # said before
  report failed "${WHAT:+$WHAT: }$2"
  if [[ -n ${3:-} ]]; then advise "$3"; fi
  printf '%s %s %s\n' "$1" "$WHAT" "$2" >>"$RUN/refusals"
}

unexpected() { # EXIT LINE COMMAND: a command failed that no verb foresaw
  trap - ERR
  report failed "${WHAT:+$WHAT: }'${3%%$'\n'*}' ended with status $1 (${BASH_SOURCE[1]##*/} line $2)"
  exit 1
}
trap 'unexpected $? $LINENO "$BASH_COMMAND"' ERR

attempt() { # PURPOSE COMMAND…: run it; OUTPUT is what it said; a failure ends the run with its cause
  local purpose=$1 rc=0 run=bounded
  shift
  if is_function "$1"; then run=captured; fi # our own functions do not wait for anything
  "$run" "$@" || rc=$?
  if ((rc)); then fail "cannot $purpose: $CAUSE" "${ADVICE:-}"; fi
}

# COMMAND…: OUTPUT is its standard output, CAUSE its last error line; returns its status
captured() {
  local rc=0
  OUTPUT=$("$@" 2>"$RUN/stderr") || rc=$?
  CAUSE=$(tail -n 1 "$RUN/stderr")
  CAUSE=${CAUSE:-status $rc}
  return "$rc"
}

# COMMAND…: the same for one that waits for somebody else: not for ever, and not without a word
bounded() {
  local rc=0 teller
  tell_waiting "${1##*/}" 9>&- &
  teller=$!
  # in our process group: what kills us kills it
  if [[ $1 == cephadm ]]; then
    # its container is given our standard input, and a loop around this may have more to read there
    captured timeout --foreground "$PATIENCE" "$@" </dev/null || rc=$?
  else
    captured timeout --foreground "$PATIENCE" "$@" || rc=$?
  fi
  { kill "$teller" && wait "$teller"; } 2>/dev/null || :
  if ((rc == 124)); then CAUSE="no answer within $PATIENCE seconds"; fi
  if ((rc)) && [[ $CAUSE == 'timed out' || $CAUSE == *'(110) Connection timed out' ]]; then CAUSE="no answer within $CEPH_PATIENCE seconds"; fi
  return "$rc"
}

tell_waiting() { # COMMAND: so that nobody sits before a silent terminal; `read` waits without a process that could be left
  read -rt 3 <> <(:) || if kill -0 "$$" 2>/dev/null; then note ".. ${WHAT:+$WHAT: }waiting for $1, at most $PATIENCE seconds"; fi
}

# ---------------------------------------------------------------------------------------------------------------
# One action

act() { # FAMILY RESOURCE WHAT [ARG…]: RESOURCE is the file that services read, '' if there is none
  local family=$1
  RESOURCE=$2 WHAT=$3 DIFFERS=''
  shift 3
  if [[ -n $RESOURCE ]]; then STEP_RESOURCES+=("$RESOURCE"); fi
  if [[ -n $RESOURCE && $MODE == @(preflight|readers) ]]; then printf '%s\n' "$RESOURCE" >>"$RUN/resources"; fi
  case $MODE in
    list) printf '  %s\n' "$WHAT" ;;
    readers) ;;
    preflight)
      if [[ -n $RESOURCE ]]; then need_place "$RESOURCE"; fi
      "${family}_need" "$@"
      ;;
    check)
      "${family}_compare" "$@"
      # what an earlier step would do is done when this one has its turn
      if [[ -z $DIFFERS ]] || grep -qsxF -- "$WHAT" "$RUN/announced"; then
        report ok "$WHAT"
      else
        printf '%s\n' "$WHAT" >>"$RUN/announced"
        if [[ -n $RESOURCE ]]; then printf '%s\n' "$RESOURCE" >>"$RUN/would-change"; fi
        report would-change "$WHAT: $DIFFERS"
        if [[ -n $DIFF ]] && is_function "${family}_diff"; then
          attempt 'show the difference' "${family}_diff" "$@"
          if [[ -n $OUTPUT ]]; then say "$OUTPUT"; fi
        fi
      fi
      ;;
    apply)
      "${family}_compare" "$@"
      if [[ -z $DIFFERS ]]; then
        if [[ -n $RESOURCE ]]; then finish_begun "$RESOURCE"; fi
        if is_function "${family}_remember"; then "${family}_remember" "$@"; fi
        report ok "$WHAT"
      else
        if [[ -n $RESOURCE ]]; then
          keep_pristine "$RESOURCE"
          remember_others "$RESOURCE"
          owe_restarts "$RESOURCE"
          remember_applied "$RESOURCE" 'being changed'
        fi
        "${family}_do" "$@"
        if [[ -n $RESOURCE ]]; then remember_applied "$RESOURCE" "$(digest_of "$RESOURCE")"; fi
        if is_function "${family}_remember"; then "${family}_remember" "$@"; fi
        report changed "$WHAT: $DIFFERS"
      fi
      ;;
    verify)
      "${family}_compare" "$@"
      if [[ -n $DIFFERS ]]; then fail "$DIFFERS" "run ./apply"; fi
      if is_function "${family}_prove"; then "${family}_prove" "$@"; fi
      report ok "$WHAT"
      ;;
    rollback) if [[ -z $RESOURCE ]]; then report skipped "$WHAT: left alone, since ${WHY_LEFT:-data or guests may depend on it}"; fi ;;
    *) wrong_start ;;
  esac
  WHAT=''
}

prove() { # FAMILY WHAT [ARG…]: nothing to change, but it must hold before the next verb may act on it
  local family=$1
  WHAT=$2
  shift 2
  case $MODE in
    list) printf '  %s\n' "$WHAT" ;;
    preflight) if is_function "${family}_need"; then "${family}_need" "$@"; fi ;;
    check)
      if [[ -s $RUN/announced ]]; then
        report skipped "$WHAT: to be seen after the changes above"
      else
        "${family}_prove" "$@"
        report ok "$WHAT"
      fi
      ;;
    apply | verify)
      "${family}_prove" "$@"
      report ok "$WHAT"
      ;;
    readers | rollback) ;;
    *) wrong_start ;;
  esac
  WHAT=''
}

wrong_start() {
  trap - ERR
  printf 'a step does not run by itself: use ./apply --only %s\n' "${STEP%%-*}" >&2
  exit 64
}

is_function() { [[ $(type -t "$1") == function ]]; }

need_command() { # COMMAND PACKAGE
  if ! command -v "$1" >/dev/null; then WHAT='' refuse 69 "the command '$1' is missing" "install it from the site's own mirror (package $2)"; fi
}

need_user() { # USER
  if ! getent passwd "$1" >/dev/null; then WHAT='' refuse 69 "there is no user '$1' on this host" "install the service's package first: it brings the user"; fi
}

is_mount_point() { # PATH
  local place
  while read -r _ _ _ _ place _; do
    if [[ $place == "$1" ]]; then return 0; fi
  done </proc/self/mountinfo
  return 1
}

is_append_only() { # PATH: which access(2) does not tell; a host without lsattr learns it from the failure
  local flags
  flags=$(lsattr -d -- "$1" 2>/dev/null) || return 1
  [[ ${flags%% *} == *a* ]]
}

need_place() { # FILE: it can be replaced where it is, and there is room for another one
  local path=$1 folder place free
  if [[ -L $path ]] && ! path=$(readlink -e -- "$path"); then
    refuse 69 'it is a symbolic link to nothing' 'mend the link, or remove it'
    return 0
  fi
  folder=${path%/*}
  until [[ -d ${folder:-/} ]]; do folder=${folder%/*}; done
  if [[ -e $path && ! -f $path ]]; then
    refuse 69 "it is a $(stat -c %F -- "$path"), not a file" 'move it away'
  elif is_mount_point "$path"; then
    refuse 69 'it is a mount point, so it cannot be replaced as a whole' 'mount the folder that it lies in instead, or run this where the file itself lies'
  fi
  for place in "$path" "${folder:-/}"; do
    if [[ -e $place && ! -w $place ]]; then
      refuse 69 "not even root can write to $place" "it is immutable (lsattr -d $place), or its file system is read-only (findmnt -T $place): undo that"
      return 0
    elif is_append_only "$place"; then
      refuse 69 "$place is append-only, so not even root can replace what is there" "undo that: chattr -a $place"
      return 0
    fi
  done
  free=$(df --output=avail -B 1M -- "${folder:-/}" | tail -n 1)
  if ((free < PLACE)); then WHAT='' refuse 69 "only ${free// /} MiB are free on the file system of ${folder:-/}; $PLACE are needed" 'make room'; fi
}

# ---------------------------------------------------------------------------------------------------------------
# What must outlive a run

keep_pristine() { # FILE: as it was before the first change, kept once, outside every configuration folder
  local kept=$STATE/pristine$1 made=$STATE/made$1 new
  if [[ -e $kept || -e $made ]]; then return 0; fi
  if [[ -e $1 ]]; then
    mkdir -p "${kept%/*}"
    new=${kept%/*}/.${kept##*/}.cephos-new
    attempt 'keep it as it was' cp -a -- "$(readlink -f -- "$1")" "$new"
    sync_path "$new"
    mv -fT -- "$new" "$kept"
    sync_path "${kept%/*}"
  else
    mkdir -p "${made%/*}"
    : >"$made"
    sync_path "$made"
  fi
}

touched_files() { # what bundles of this site have changed on this host, whatever this one's steps name
  local record
  for record in pristine made; do
    if [[ -d $STATE/$record ]]; then find "$STATE/$record" ! -type d ! -name '.*.cephos-new' -printf '/%P\n'; fi
  done | sort
}

remember_applied() { # FILE STATE: its digest as apply left it, so that --rollback sees what others changed since
  # nothing of what they changed before is left
  if [[ -e $STATE/others$1 && $2 == "$(<"$STATE/others$1")" ]]; then rm -f -- "$STATE/others$1"; fi
  note_digest "$STATE/applied$1" "$2"
}

remember_others() { # FILE, which apply is about to change: what others did to it is in what apply leaves, but not apply's
  if ! changed_since "$1"; then
    rm -f -- "$STATE/others$1"
  elif [[ ! -e $STATE/others$1 ]]; then
    note_digest "$STATE/others$1" "$(digest_before_others "$1")"
  fi
}

note_digest() { # RECORD DIGEST
  mkdir -p "${1%/*}"
  printf '%s\n' "$2" >"$RUN/digest"
  attempt 'note its digest' replace_file --mode 0600 "$1" <"$RUN/digest"
}

changed_since() { # FILE: somebody else changed it; it is neither as apply left it nor as it was before
  local now left
  now=$(digest_of "$1") left=$(digest_before_others "$1")
  # an apply that died before it could note the digest has changed it itself
  [[ $now != "$left" && $left != 'being changed' && $now != "$(digest_of "$STATE/pristine$1")" ]]
}

digest_before_others() { # FILE: when it was apply's alone; '' if that is not known
  cat -- "$STATE/others$1" 2>/dev/null || cat -- "$STATE/applied$1" 2>/dev/null || :
}

finish_begun() { # FILE: it is as it should be, but a run may have died before it had noted that, or while it was putting back another
  local record=$STATE/applied$1 new
  new=$(new_beside "$1")
  if [[ -e $new ]]; then rm -f -- "$new"; fi
  if [[ -e $record && $(<"$record") == 'being changed' ]]; then remember_applied "$1" "$(digest_of "$1")"; fi
}

new_beside() { # FILE: where its new content is written before that takes its place
  local target
  target=$(readlink -m -- "$1")
  printf '%s/.%s.cephos-new\n' "${target%/*}" "${target##*/}"
}

sync_path() { sync -- "$1" 2>/dev/null || sync; } # coreutils before 8.24 sync everything instead

digest_of() { # FILE: its sha256, or "none"
  local line=none
  if [[ -e $1 ]]; then line=$(sha256sum <"$1"); fi
  printf '%s\n' "${line%% *}"
}

owe_restarts() { # FILE: written before FILE changes, so that a restart is not lost if the run dies in between
  local unit file readers=$STATE/readers$1
  mkdir -p "$STATE/owed" "${readers%/*}"
  while IFS=$'\t' read -r unit file; do
    [[ $file == "$1" ]] || continue
    : >"$STATE/owed/$unit"
    sync_path "$STATE/owed/$unit"
    if ! grep -qsxF -- "$unit" "$readers"; then printf '%s\n' "$unit" >>"$readers"; fi
  done <"$RUN/readers"
}

# ---------------------------------------------------------------------------------------------------------------
# cluster NAME FSID MONITOR…: which Ceph cluster the following verbs speak of

cluster() {
  local inside=()
  CLUSTER=$1 FSID=$2 MONITORS=("${@:3}") ADMIN_AS=$1
  OSD_MAP=$RUN/osd-map-$1 # what the cluster said to its administrator when this run began: fsid, pools, oldest client
  # on its own hosts a cluster calls itself ceph, whatever name the site needs to tell it from another
  if [[ ! -e $CEPH_DIR/$1.client.admin.keyring && -e $CEPH_DIR/ceph.client.admin.keyring ]]; then ADMIN_AS=ceph; fi
  if only_in_containers; then inside=(cephadm shell --fsid "$FSID" --) ADMIN_AS=ceph; fi
  CEPH=(${inside[@]+"${inside[@]}"} ceph --cluster "$ADMIN_AS" --connect-timeout "$CEPH_PATIENCE") # as its administrator
  RBD=(${inside[@]+"${inside[@]}"} rbd --cluster "$ADMIN_AS")
  if [[ $MODE == preflight && ! -e $RUN/handoffs-given ]]; then open_delivered "$HOST.$CLUSTER.tar"; fi
}

# cephadm installs nothing on its hosts: what administers a cluster runs in a container, which sees no file of the host but those it is given
only_in_containers() { command -v cephadm >/dev/null && ! command -v ceph >/dev/null; }

need_admin() { # this host administers the cluster that the site describes; 1 if not
  if [[ ! -e $OSD_MAP ]]; then ask_osd_map; fi
  [[ -s $OSD_MAP ]]
}

ask_osd_map() { # OSD_MAP holds it, or nothing
  local rc=0 fsid
  : >"$OSD_MAP"
  if ! only_in_containers; then
    need_command ceph ceph-common
    need_command rbd ceph-common
    if ! command -v ceph >/dev/null; then return 0; fi
  fi
  bounded "${CEPH[@]}" osd dump || rc=$?
  if ((rc)); then
    refuse 69 "cluster $CLUSTER does not answer: $CAUSE" "look at '${CEPH[*]} -s' as root on this host"
    return 0
  fi
  fsid=${OUTPUT#*fsid } fsid=${fsid%%[!0-9a-f-]*}
  if [[ $fsid != "$FSID" ]]; then
    refuse 65 "the cluster here has fsid $fsid, this bundle is for $FSID" "run it on the site's own cluster, or correct fsid in site.yaml"
  else
    printf '%s\n' "$OUTPUT" >"$OSD_MAP" || fail "cannot write $OSD_MAP" 'make room on the file system of /run'
  fi
}

need_monitor() { # one monitor of the cluster can be reached from this host; 1 if none can
  local monitor port ports
  if [[ -e $RUN/monitor-$CLUSTER ]]; then return "$(<"$RUN/monitor-$CLUSTER")"; fi
  printf '0\n' >"$RUN/monitor-$CLUSTER"
  for monitor in "${MONITORS[@]}"; do
    ports=(3300 6789) # msgr2, and what was before Nautilus
    if [[ $monitor =~ ^(.*[^:]):([0-9]+)$ ]]; then monitor=${BASH_REMATCH[1]} ports=("${BASH_REMATCH[2]}"); fi
    monitor=${monitor#[} monitor=${monitor%]}
    for port in "${ports[@]}"; do
      # shellcheck disable=SC2016 # the inner bash expands its own parameters
      if timeout --foreground 5 bash -c 'exec 3<>"/dev/tcp/$1/$2"' _ "$monitor" "$port" 2>/dev/null; then return 0; fi
      note ".. no answer from $monitor port $port"
    done
  done
  no_cluster "no monitor of cluster $CLUSTER answers on ${MONITORS[*]} (5 seconds each)" 'check the network from here to the monitors, and mon_host in site.yaml'
}

no_cluster() { # CAUSE ADVICE: said once, and not asked again in this run
  printf '1\n' >"$RUN/monitor-$CLUSTER"
  WHAT='' refuse 69 "$1" "$2"
  return 1
}

TRACELESS=(--log_file '' --admin_socket '') # a question leaves nothing where guests' clients write

# NAME COMMAND…: the site's cluster, asked as one of its clients before this host is set up for it; CONF in place of this host's ceph.conf
ask_as() {
  local conf=${CONF:-$CEPH_DIR/$CLUSTER.conf} monitors
  if [[ ! -e $conf ]]; then conf=/dev/null; fi
  printf -v monitors '%s,' "${MONITORS[@]}"
  bounded "${@:2}" --cluster "$CLUSTER" --conf "$conf" -m "${monitors%,}" --id "$1" --keyring "$KEYRING" "${TRACELESS[@]}"
}

need_client() { # NAME: the cluster lets it in with the key that will be used here; 1 if not
  local rc=0 asked=$RUN/asked-$CLUSTER.client.$1 conf=$CEPH_DIR/$CLUSTER.conf from cause
  # a ceph-admin host makes clients and keys earlier in the same run
  if [[ -e $RUN/makes-own-handoff-$CLUSTER ]] || ! key_of "$1"; then return 1; fi
  if [[ -e $asked ]]; then return "$(<"$asked")"; fi
  printf '1\n' >"$asked"
  if ! need_readable_key "$1" || ! need_monitor; then return 1; fi
  need_command ceph ceph-common
  if ! command -v ceph >/dev/null; then return 1; fi
  from=$KEYRING
  if [[ $from == "$RUN"/* ]]; then from=$(<"${from%.keyring}.from"); fi
  ask_as "$1" ceph --connect-timeout "$CEPH_PATIENCE" fsid || rc=$?
  cause=$CAUSE
  if ((rc)) && [[ -e $conf && $cause != 'no answer'* ]] && CONF=/dev/null ask_as "$1" ceph --connect-timeout "$CEPH_PATIENCE" fsid && [[ $OUTPUT == "$FSID" ]]; then
    WHAT='' refuse 69 "$conf keeps client.$1 out of the cluster: $cause" "without that file it is let in: take key, keyring and auth_… out of its [client.$1], [client] and [global]"
  elif ((rc)) && [[ $cause == 'no answer'* ]]; then
    no_cluster "cluster $CLUSTER takes connections but does not let client.$1 in: $cause" "look at 'ceph -s' where it is administered"
  elif ((rc)); then
    WHAT='' refuse 65 "the cluster does not accept the key of client.$1 in $from: $cause" "the client has another key by now, or does not exist: have the hand-offs made anew (./apply on the ceph-admin host, or tools/make-handoff), carry this host's, and delete older ones"
  elif [[ $OUTPUT != "$FSID" ]]; then
    no_cluster "the cluster at ${MONITORS[*]} has fsid $OUTPUT, this bundle is for $FSID" 'correct fsid or mon_host in site.yaml'
  else
    printf '0\n' >"$asked"
    judge_client
  fi
  return "$(<"$asked")"
}

# Clients before 14.2.20, 15.2.11 and 16.2.1 cannot renew their tickets as monitors ask since (CVE-2021-20288). Whether the
# cluster still lets them is its administrator's to say, so this is told and not refused.
judge_client() {
  if [[ -e $RUN/client-judged ]] || ! ceph_version; then return 0; fi
  : >"$RUN/client-judged"
  if ! older_than 14.2.20 15.2.11 16.2.1; then return 0; fi
  note "!! Ceph's programs here are $VERSION: with auth_allow_insecure_global_id_reclaim=false the cluster locks this host out within three days"
  advise 'update ceph-common and librbd from the site'\''s own mirror, before that is set'
}

ceph_version() { # VERSION of this host's Ceph programs; 1 if they do not tell
  bounded rbd --version && [[ $OUTPUT =~ ^ceph\ version\ ([0-9]+\.[0-9]+\.[0-9]+) ]] && VERSION=${BASH_REMATCH[1]}
}

older_than() { # FIXED…: VERSION is older than each release that brought something: of its own line, else than the last of them
  local fixed first
  for fixed; do
    if [[ ${VERSION%%.*} == "${fixed%%.*}" ]]; then break; fi
  done
  first=$(printf '%s\n' "$VERSION" "$fixed" | sort -V | head -n 1)
  [[ $VERSION != "$fixed" && $VERSION == "$first" ]]
}

need_readable_key() { # NAME: this host's Ceph is as new as the kind of KEY; 1 if not
  # the key's first two bytes tell its type: 1 is AES ("AQ…"), 2 is AES256K ("Ag…"), which clusters make since CVE-2025-30156
  if [[ $KEY != Ag* ]] || ! command -v rbd >/dev/null || ! ceph_version || ! older_than 19.2.6 20.2.4; then return 0; fi
  WHAT='' refuse 69 "Ceph $VERSION of this host cannot read the key of client.$1: it is of the type aes256k" \
    'update Ceph here to 19.2.6, 20.2.4 or newer; or on the ceph-admin host give the client a key of the type aes, which the cluster must allow (docs/troubleshooting.md)'
  return 1
}

# ---------------------------------------------------------------------------------------------------------------
# pool NAME [--SETTING VALUE]…: the settings are those of `ceph osd pool create`.
# A pool that exists is never re-created, and never changed either: that moves data, so a person decides it.

#
# pool_step_by_step NAME [--SETTING VALUE]…: the same before Octopus, where `ceph osd pool create` takes only --pg_num and --rule,
# and the other settings follow one by one

pool() { act pool '' "pool $1 of cluster $CLUSTER" "$@"; }

pool_need() { # NAME SETTING…: a pool of that name that is there already can be RBD's
  if ! pool_exists "$1"; then return 0; fi
  foreign_pool
  if [[ $POOL == *" '$1' erasure "* ]]; then
    refuse 1 'it is there already, erasure-coded, and RBD keeps its index in replicated pools only' 'name another pool in site.yaml'
  fi
}

pool_exists() { # NAME: POOL is what the cluster said of it when this run began; 1 if it is not there, or nobody answers
  local line
  if ! need_admin; then return 1; fi
  while IFS= read -r line; do
    if [[ $line == "pool "*" '$1' "* ]]; then
      POOL=$line
      return 0
    fi
  done <"$OSD_MAP"
  return 1
}

for_rbd() { [[ $POOL =~ \ application\ (.*,)?rbd ]]; }

foreign_pool() { # refuse a pool that serves something else
  if [[ $POOL =~ \ application\ (.*,)?(cephfs|rgw) ]]; then
    refuse 1 "it is there already, and belongs to ${BASH_REMATCH[2]}" 'name another pool in site.yaml'
  fi
}

pool_compare() { # NAME SETTING…
  if ! pool_exists "$1"; then
    DIFFERS='is created'
    return 0
  fi
  pool_settings "$@"
  if ! for_rbd; then DIFFERS='is initialised for rbd'; fi
}

pool_settings() { # NAME SETTING…: say which settings of the pool that POOL tells of are not the site's
  local name=$1 setting called wanted found
  shift
  while (($#)); do
    setting=${1#--} called=${1#--} wanted=$2 found='not set'
    shift 2
    if [[ $setting == erasure_code_profile ]]; then called='erasure profile'; fi
    if [[ "$POOL " == *" $called "* ]]; then
      found=${POOL#*" $called "}
      found=${found%% *}
    fi
    case $setting in
      autoscale_mode) setting=pg_autoscale_mode ;;
      rule) # POOL has only its number
        setting=crush_rule
        attempt "read the rule of pool $name" "${CEPH[@]}" osd pool get "$name" crush_rule
        found=${OUTPUT#*: }
        ;;
      # the autoscaler moves pg_num: the site's number is only where it started
      pg_num) if [[ $POOL != *' autoscale_mode off '* ]]; then continue; fi ;;
    esac
    if [[ $found != "$wanted" ]]; then
      report skipped "pool $name: $setting is $found, site.yaml says $wanted; left alone, since changing it moves data"
      if [[ $setting == erasure_code_profile ]]; then
        advise 'a pool keeps its erasure code for ever; only another pool can have another'
      else
        advise "to change it: ceph osd pool set $name $setting $wanted"
      fi
    fi
  done
}

pool_do() { # NAME SETTING…: one command makes the pool with all its settings, so a kill leaves none half made
  if ! pool_exists "$1"; then
    attempt "create pool $1" "${CEPH[@]}" osd pool create "$1" --pool_type replicated "${@:2}"
  fi
  attempt "initialise pool $1 for rbd" "${RBD[@]}" pool init "$1"
}

pool_step_by_step() { act pool_steps '' "pool $1 of cluster $CLUSTER" "$@"; }

pool_steps_need() { pool_need "$@"; }

unfinished_pool() { printf '%s' "$STATE/unfinished-pools/$CLUSTER.$1"; } # NAME: the file that says that it lacks settings yet

pool_steps_compare() { # NAME SETTING…
  if [[ -e $(unfinished_pool "$1") ]]; then DIFFERS='is created'; else pool_compare "$@"; fi
}

pool_steps_do() { # NAME SETTING…: a kill leaves a pool half made, so it is noted before
  local name=$1 pg_num='' rule='' later=() mark
  mark=$(unfinished_pool "$1")
  shift
  while (($#)); do
    case $1 in
      --pg_num) pg_num=$2 ;;
      --rule) rule=$2 ;;
      --autoscale_mode) later+=(pg_autoscale_mode "$2") ;;
      *) later+=("${1#--}" "$2") ;;
    esac
    shift 2
  done
  if ! pool_exists "$name"; then
    mkdir -p "${mark%/*}"
    : >"$mark"
    sync_path "$mark"
    attempt "create pool $name" "${CEPH[@]}" osd pool create "$name" "$pg_num" "$pg_num" replicated ${rule:+"$rule"}
  fi
  if [[ -e $mark ]]; then
    set -- ${later[@]+"${later[@]}"}
    while (($#)); do
      attempt "set $1 of pool $name" "${CEPH[@]}" osd pool set "$name" "$1" "$2"
      shift 2
    done
  fi
  attempt "initialise pool $name for rbd" "${RBD[@]}" pool init "$name"
  rm -f -- "$mark"
}

# ---------------------------------------------------------------------------------------------------------------
# trash_schedule POOL INTERVAL: Ceph's managers purge the pool's trash; a schedule that somebody has set already is as good

trash_schedule() { act trash_schedule '' "trash of pool $1 of cluster $CLUSTER" "$@"; }

trash_schedule_need() { need_admin || :; }

trash_schedule_compare() { # POOL INTERVAL
  local rc=0
  DIFFERS="is purged every $2"
  if ! pool_exists "$1"; then return 0; fi
  bounded "${RBD[@]}" trash purge schedule ls --pool "$1" || rc=$?
  if ((rc && rc != 2)); then fail "cannot read its schedule: $CAUSE"; fi # ENOENT: there is none
  if [[ $OUTPUT == *every* ]]; then DIFFERS=''; fi
}

trash_schedule_do() { # POOL INTERVAL
  attempt 'schedule its purge' "${RBD[@]}" trash purge schedule add --pool "$1" "$2"
}

# ---------------------------------------------------------------------------------------------------------------
# min_compat_client RELEASE: the cluster refuses clients that are older; never lowered, and never forced on clients that are connected

min_compat_client() {
  WHY_LEFT='what newer clients have made may need it' act compat '' "oldest client of cluster $CLUSTER is of $1" "$@"
}

compat_need() { need_admin || :; }

compat_compare() { # RELEASE
  local oldest
  oldest=$(sed -n 's/^require_min_compat_client //p' "$OSD_MAP")
  # releases are named in the order of the alphabet
  if [[ $oldest < $1 ]]; then DIFFERS="older ones are refused from now on${oldest:+ (it was $oldest)}"; fi
}

compat_do() { # RELEASE: without --yes-i-really-mean-it, so Ceph refuses while an older client is connected, and says of which release
  ADVICE="upgrade these clients, which 'ceph features' counts, and 'ceph tell mon.* sessions' names from Octopus on; or take min_compat_client out of site.yaml" \
    attempt 'refuse older clients' "${CEPH[@]}" osd set-require-min-compat-client "$1"
}

# ---------------------------------------------------------------------------------------------------------------
# erasure_profile NAME KEY=VALUE…: an erasure code that pools are made with; one that exists is never changed

erasure_profile() { act profile '' "erasure code profile $1 of cluster $CLUSTER" "$@"; }

profile_need() { # NAME KEY=VALUE…
  local setting
  if ! need_admin; then return 0; fi
  printf '%s\n' "$1" >>"$RUN/profiles-$CLUSTER"
  if ! profile_exists "$1"; then return 0; fi
  attempt 'read it' "${CEPH[@]}" osd erasure-code-profile get "$1"
  for setting in "${@:2}"; do
    if ! grep -qxF -- "$setting" <<<"$OUTPUT"; then
      refuse 1 "it is there already, without $setting" "pools may be made with it: describe it as it is, or as erasure: {profile: $1}; or name the pool otherwise"
    fi
  done
}

profile_exists() { # NAME
  attempt 'list the erasure code profiles' "${CEPH[@]}" osd erasure-code-profile ls
  grep -qxF -- "$1" <<<"$OUTPUT"
}

profile_compare() { if ! profile_exists "$1"; then DIFFERS='is made'; fi; }

profile_do() { attempt 'make it' "${CEPH[@]}" osd erasure-code-profile set "$@"; }

# ---------------------------------------------------------------------------------------------------------------
# data_pool NAME PROFILE [--SETTING VALUE]…: an erasure-coded pool that takes data of images, which need to be overwritten

data_pool() { act data_pool '' "data pool $1 of cluster $CLUSTER" "$@"; }

data_pool_need() { # NAME PROFILE SETTING…
  if pool_exists "$1"; then
    foreign_pool
    if [[ $POOL == *" '$1' replicated "* ]]; then
      refuse 1 'it is there already, replicated' 'name another pool in site.yaml, or leave out erasure'
    elif for_rbd && [[ $POOL != *ec_overwrites* ]]; then
      refuse 1 'it is there already, and does not let RBD overwrite data' "if that is meant, and cannot be undone: ceph osd pool set $1 allow_ec_overwrites true"
    fi
    return 0
  fi
  if ! need_admin; then return 0; fi
  if ! grep -qsxF -- "$2" "$RUN/profiles-$CLUSTER" && ! profile_exists "$2"; then
    refuse 1 "the cluster has no erasure code profile $2" "correct erasure.profile in site.yaml; 'ceph osd erasure-code-profile ls' lists what there is"
  fi
}

data_pool_compare() { # NAME PROFILE SETTING…
  if ! pool_exists "$1"; then
    DIFFERS='is created'
    return 0
  fi
  pool_settings "$1" --erasure_code_profile "$2" "${@:3}"
  if ! for_rbd; then DIFFERS='is made ready for rbd'; fi
}

data_pool_do() { # NAME PROFILE SETTING…: its application comes last, so that a run that was killed before is known by it
  if ! pool_exists "$1"; then
    attempt "create pool $1" "${CEPH[@]}" osd pool create "$1" --pool_type erasure --erasure_code_profile "${@:2}"
  fi
  attempt 'let RBD overwrite data' "${CEPH[@]}" osd pool set "$1" allow_ec_overwrites true
  attempt "give pool $1 to rbd" "${CEPH[@]}" osd pool application enable "$1" rbd
}

# ---------------------------------------------------------------------------------------------------------------
# client NAME mon CAPS osd CAPS mgr CAPS: a cephx user with exactly these capabilities

client() { act client '' "client.$1 of cluster $CLUSTER" "$@"; }

client_need() { need_admin || :; }

client_compare() { # NAME SERVICE CAPS…
  local service wanted found
  if ! client_known "$1"; then
    DIFFERS='is created'
    return 0
  fi
  shift
  for service in mon osd mgr mds; do
    caps_in "$COPY" "$service"
    found=$CAPS wanted=''
    if [[ ${1:-} == "$service" ]]; then
      wanted=$2
      shift 2
    fi
    caps_change "$found" "$wanted"
    if [[ -n $CHANGE ]]; then DIFFERS+="${DIFFERS:+; }$service caps$CHANGE"; fi
  done
}

caps_change() { # FOUND WANTED: CHANGE is the grants that come (+) and go (-); their order grants nothing
  local grants=()
  CHANGE=''
  IFS=, read -ra grants <<<"$2"
  caps_missing + "$1" ${grants[@]+"${grants[@]}"}
  IFS=, read -ra grants <<<"$1"
  caps_missing - "$2" ${grants[@]+"${grants[@]}"}
}

caps_missing() { # SIGN CAPS GRANT…: add to CHANGE, with the sign, each grant that is not among the caps
  local grant caps=${2//, /,}
  for grant in "${@:3}"; do
    grant=${grant# }
    if [[ ,$caps, != *",$grant,"* ]]; then CHANGE+=" $1 '$grant'"; fi
  done
}

client_known() { # NAME: COPY is what the cluster says of it, as a keyring, asked once per run; 1 if there is no such client
  local rc=0
  COPY=$RUN/$CLUSTER.client.$1.copy
  if [[ -s $COPY ]]; then return 0; fi
  bounded "${CEPH[@]}" auth get "client.$1" || rc=$?
  if ((rc == 2)); then return 1; fi # ENOENT
  if ((rc)); then fail "cannot read client.$1: $CAUSE"; fi
  keep_copy
}

keep_copy() { # OUTPUT holds a key, so it goes no further than this run's private folder
  printf '%s\n' "$OUTPUT" >"$COPY" || fail "cannot write $COPY" 'make room on the file system of /run'
  OUTPUT=''
}

caps_in() { # KEYRING SERVICE: CAPS is what the file grants on it
  local line
  CAPS=''
  while IFS= read -r line; do
    if [[ $line =~ ^[[:space:]]*caps[[:space:]]+$2[[:space:]]*=[[:space:]]*\"(.*)\" ]]; then CAPS=${BASH_REMATCH[1]}; fi
  done <"$1"
}

client_do() { # NAME SERVICE CAPS…
  if [[ $DIFFERS == 'is created' ]]; then
    attempt 'create it' "${CEPH[@]}" auth get-or-create "client.$1" "${@:2}"
    keep_copy # it tells the key, which is what later steps need
  else
    # the capabilities that are replaced, for the person who wants them back (a user is never deleted)
    mkdir -p "$STATE/replaced-caps"
    grep caps "$COPY" >>"$STATE/replaced-caps/$CLUSTER.client.$1" || : # it may have none
    attempt 'update its capabilities' "${CEPH[@]}" auth caps "client.$1" "${@:2}"
    rm -f -- "$COPY"
    OUTPUT='' # it printed the key
  fi
}

# ---------------------------------------------------------------------------------------------------------------
# client_reads NAME POOL…     the cluster lets the client in and shows it each pool, of which there is one at least
# client_refused NAME POOL…   the cluster refuses to let the client write to each pool

client_reads() { prove client_reads "client.$1 reaches the cluster and reads ${*:2}" "$@"; }
client_refused() { prove client_refused "client.$1 may not write to ${*:2}" "$@"; }

as_client() { # NAME COMMAND…: with the client's own key
  local keyring inside=()
  if ! client_known "$1"; then fail 'the cluster has no such client' 'run ./apply: an earlier step makes it'; fi
  keyring=$COPY
  if only_in_containers; then
    inside=(cephadm shell --fsid "$FSID" --keyring "$keyring" --)
    keyring=/etc/ceph/ceph.keyring # there
  fi
  bounded ${inside[@]+"${inside[@]}"} "${@:2}" --cluster "$ADMIN_AS" --id "$1" --keyring "$keyring" "${TRACELESS[@]}"
}

client_reads_prove() { # NAME POOL…
  local pool
  for pool in "${@:2}"; do
    if ! as_client "$1" rbd ls --pool "$pool"; then fail "it cannot list pool $pool: $CAUSE"; fi
  done
}

client_refused_prove() { # NAME POOL…
  local pool image=cephos-must-be-refused
  for pool in "${@:2}"; do
    if as_client "$1" rbd create --size 1M "$pool/$image"; then
      attempt 'remove the test image' "${RBD[@]}" rm --no-progress "$pool/$image"
      fail "the cluster let it create an image in pool $pool" "something grants it more than the site says: ceph auth get client.$1"
    fi
    # any other failure would prove nothing
    if ! grep -qE 'Operation not permitted|Permission denied' "$RUN/stderr"; then fail "the attempt on pool $pool failed for another reason: $CAUSE"; fi
  done
}

# ---------------------------------------------------------------------------------------------------------------
# handoffs FILE [SUFFIX]: for each line `HOST CLUSTER.client.NAME…` one sealed archive, HOST[.SUFFIX].tar, with the keyrings
# of this cluster that HOST needs, no others

handoffs() {
  local host keyrings archive
  while read -r host keyrings; do
    if [[ -z $host || $host == '#'* ]]; then continue; fi
    if [[ $host == "$HOST" && $MODE == preflight ]]; then : >"$RUN/makes-own-handoff-$CLUSTER"; fi
    archive=$HANDOFFS/$host${2:+.$2}.tar
    # shellcheck disable=SC2086 # names of keyrings hold no blanks
    act handoff '' "hand-off for $host: $archive ($keyrings)" "$archive" "$host" $keyrings
  done <"$BUNDLE/$1"
}

handoff_need() { # ARCHIVE HOST KEYRING…
  need_admin || :
  need_place "$1"
  need_command tar tar
}

clients_exist() { # KEYRING…
  local keyring
  for keyring; do
    if ! client_known "${keyring#*.client.}"; then return 1; fi
  done
}

handoff_build() { # HOST KEYRING…: the archive's bytes in $RUN/handoff.tar, with the keys of $RUN/KEYRING.copy
  local host=$1 keyring folder=$RUN/handoff
  shift
  rm -rf -- "$folder"
  mkdir "$folder"
  printf 'site=%s\nhost=%s\n' "$SITE" "$host" >"$folder/handoff.env"
  for keyring; do
    read_key "$RUN/$keyring.copy" "${keyring#*.}"
    keyring_text "${keyring#*.}" >"$folder/$keyring.keyring"
  done
  (cd "$folder" && sha256sum -- handoff.env "${@/%/.keyring}" >SHA256SUMS)
  # nothing of time or place goes in: the same keys give the same bytes
  tar -C "$folder" --format=ustar --owner=0 --group=0 --numeric-owner --mode=0600 --mtime=@0 \
    -cf "$RUN/handoff.tar" handoff.env SHA256SUMS "${@/%/.keyring}"
  rm -rf -- "$folder"
}

handoff_compare() { # ARCHIVE HOST KEYRING…
  local there=$1
  if ! clients_exist "${@:3}"; then
    # an earlier step makes the clients in the same run
    if [[ -e $there ]]; then DIFFERS='its keys are renewed'; else DIFFERS='is written'; fi
    return 0
  fi
  handoff_build "${@:2}"
  if [[ $2 == "$HOST" ]]; then open_handoff "$RUN/handoff.tar"; fi # this host's own services come next
  if [[ ! -e $there ]]; then
    DIFFERS='is written'
  elif [[ $(digest_of "$there") != $(digest_of "$RUN/handoff.tar") ]]; then
    DIFFERS='its keys are renewed'
  elif [[ $(stat -c '%a %u %g' -- "$there") != '600 0 0' ]]; then
    DIFFERS='becomes root:root 0600'
  fi
}

handoff_do() { # ARCHIVE HOST KEYRING…
  mkdir -p -- "$HANDOFFS"
  attempt 'write it' replace_file --mode 0600 --owner root:root "$1" <"$RUN/handoff.tar"
}

# ---------------------------------------------------------------------------------------------------------------
# send_handoffs FILE [SUFFIX]: copy each hand-off to its host, to the same place. A host that cannot be reached is said, and keeps no
# other from its own: nothing here depends on it.

SSH=(ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 -o ServerAliveInterval=5)

send_handoffs() {
  local host keyrings
  while read -r host keyrings; do
    if [[ -n $host && $host != '#'* ]]; then send_handoff "$host" "$HANDOFFS/$host${2:+.$2}.tar" </dev/null; fi
  done <"$BUNDLE/$1"
  WHAT=''
}

send_handoff() { # HOST ARCHIVE
  local digest
  WHAT="$2 on $1"
  case $MODE in
    list) printf '  %s\n' "$WHAT" ;;
    preflight) need_command ssh 'openssh-client or openssh-clients' ;;
    readers) ;;
    rollback) report skipped "$WHAT: left alone, since it is that host's" ;;
    *)
      digest=$(digest_of "$2") # the other host's answer may have more around it: what its .bashrc says
      if [[ $1 == "$HOST" ]]; then
        report ok "$WHAT"
      elif ! bounded "${SSH[@]}" "root@$1" "if [ -e $2 ]; then sha256sum <$2; else echo none; fi"; then
        unsent
      elif [[ $OUTPUT == *"$digest"* ]] && ! grep -qsF -- "hand-off for $1: $2 " "$RUN/announced"; then
        report ok "$WHAT"
      elif [[ $MODE == check ]]; then
        report would-change "$WHAT: is copied"
      elif [[ $MODE == verify ]]; then
        report skipped "$WHAT: is another, or not there any more; the host needs it only until its ./apply"
      elif receive_there "$2" "$digest" && bounded "${SSH[@]}" "root@$1" "$RECEIVE" <"$2"; then
        report changed "$WHAT: is copied"
      else
        unsent
      fi
      ;;
  esac
}

receive_there() { # FILE DIGEST: RECEIVE is what the other host runs; a copy that breaks off there never becomes the file
  local new=${1%/*}/.${1##*/}.cephos-new
  RECEIVE="umask 077; mkdir -p ${1%/*} && rm -f $new && cat >$new && echo '$2  $new' | sha256sum --check --status && sync && mv -f $new $1"
}

unsent() {
  report skipped "$WHAT: cannot be copied: $CAUSE"
  advise "carry it, as RUNBOOK.md says, or mend that and run the same again; root here must reach root there by 'ssh' without a question"
}

# ---------------------------------------------------------------------------------------------------------------
# Reading a hand-off

open_delivered() { # NAME: the archive of that name, if one has been delivered, once per run
  local folder
  if [[ -e $RUN/opened-$1 ]]; then return 0; fi
  : >"$RUN/opened-$1"
  for folder in "$BUNDLE/handoff" "$HANDOFFS"; do
    if [[ -e $folder/$1 ]]; then
      open_handoff "$folder/$1"
      return 0
    fi
  done
}

open_handoff() { # FILE: check it wholly, then lay its keyrings under $RUN/keys
  local folder=$RUN/opening member members line size total=0
  rm -rf -- "$folder"
  mkdir "$folder"
  members=$(tar -tf "$1" 2>/dev/null) || damaged_handoff "$1" 'it is not a whole tar archive'
  while read -r _ _ size _; do total=$((total + size)); done < <(tar --numeric-owner -tvf "$1" 2>/dev/null)
  if ((total > SEALED_MAX)); then damaged_handoff "$1" "it holds $total bytes; keys need less than $SEALED_MAX"; fi
  while IFS= read -r member; do
    # only plain names: an archive never chooses where its files go
    if [[ ! $member =~ ^(handoff\.env|SHA256SUMS|[A-Za-z0-9_.-]+\.keyring)$ || $member == .* ]]; then
      damaged_handoff "$1" "it holds a file that does not belong there ($(printf '%q' "$member"))"
    fi
    tar -xOf "$1" -- "$member" >"$folder/$member" 2>/dev/null || damaged_handoff "$1" "$member in it cannot be read"
  done <<<"$members"
  for member in handoff.env SHA256SUMS; do
    if [[ ! -s $folder/$member ]]; then damaged_handoff "$1" "it has no $member"; fi
  done
  while IFS= read -r line || [[ -n $line ]]; do
    # a name from elsewhere would be read there
    if [[ ! $line =~ ^[0-9a-f]{64}\ [\ *]([A-Za-z0-9_.-]+)$ || ! -f $folder/${BASH_REMATCH[1]} ]]; then
      damaged_handoff "$1" "its SHA256SUMS lists something that is not in it ($(printf '%q' "${line:66}"))"
    fi
  done <"$folder/SHA256SUMS"
  (cd "$folder" && sha256sum --check --strict --status SHA256SUMS) || damaged_handoff "$1" 'a checksum in it does not match'
  for member in "$folder"/*.keyring; do
    line=${member##*/}
    if ! grep -qF -- "  $line" "$folder/SHA256SUMS"; then damaged_handoff "$1" "$line in it has no checksum"; fi
  done
  line=$(<"$folder/handoff.env")
  if [[ $line != "site=$SITE"$'\n'"host=$HOST" ]]; then
    damaged_handoff "$1" "it is for ${line//$'\n'/, }, this host is site=$SITE, host=$HOST" 65
  fi
  mkdir -p "$RUN/keys"
  for member in "$folder"/*.keyring; do printf '%s\n' "$1" >"${member%.keyring}.from"; done
  mv -f -- "$folder"/*.keyring "$folder"/*.from "$RUN/keys/"
  rm -rf -- "$folder"
}

damaged_handoff() { # FILE CAUSE: ends the run; nothing has been changed yet
  WHAT=''
  report failed "the hand-off $1 is refused: $2"
  advise "copy it again from where it was made, and compare its sha256sum"
  trap - ERR
  exit 65
}

key_of() { # NAME: KEY of the client and KEYRING, from the hand-off or else installed here; 1 if neither has it
  for KEYRING in "$RUN/keys/$CLUSTER.client.$1.keyring" "$CEPH_DIR/$CLUSTER.client.$1.keyring"; do
    if [[ -f $KEYRING ]] && read_key "$KEYRING" "client.$1"; then return 0; fi
  done
  return 1
}

final_key_of() { # NAME: the same at the end of the run, where this host also makes the key; 1 if that does not exist yet
  if [[ -e $RUN/makes-own-handoff-$CLUSTER ]]; then
    need_admin && client_known "$1" && read_key "$COPY" "client.$1"
  else
    key_of "$1"
  fi
}

read_key() { # FILE ENTITY: KEY that the keyring holds for the entity; 1 if none
  local line section=''
  KEY=''
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ ^[[:space:]]*\[(.*)\][[:space:]]*$ ]]; then
      section=${BASH_REMATCH[1]}
    elif [[ $section == "$2" && $line =~ ^[[:space:]]*key[[:space:]]*=[[:space:]]*([A-Za-z0-9+/]+=*)[[:space:]]*$ ]]; then
      KEY=${BASH_REMATCH[1]}
    fi
  done <"$1"
  [[ -n $KEY ]]
}

holds_key() { # FILE ENTITY: the keyring has KEY for it
  local wanted=$KEY KEY
  read_key "$1" "$2" && [[ $KEY == "$wanted" ]]
}

keyring_text() { printf '[%s]\n\tkey = %s\n' "$1" "$KEY"; } # ENTITY

# ---------------------------------------------------------------------------------------------------------------
# install_keyring NAME OWNER:GROUP MODE [USER…]: the client's key where librados looks for it, readable by its service only,
# or by these users as well, whose services share the client: os-brick knows one place, so there is one file, with an ACL

install_keyring() {
  local file=$CEPH_DIR/$CLUSTER.client.$1.keyring
  act keyring "$file" "keyring $file (${*:2})" "$file" "$@"
}

keyring_need() { # FILE NAME OWNER:GROUP MODE [USER…]
  local user
  for user in "${3%:*}" "${@:5}"; do need_user "$user"; done
  if (($# > 4)); then need_command setfacl acl; fi
  if ! getent group "${3#*:}" >/dev/null; then refuse 69 "there is no group '${3#*:}' on this host" "install the service's package first"; fi
  if ! key_of "$2" && [[ ! -e $RUN/makes-own-handoff-$CLUSTER ]]; then
    refuse 65 "no hand-off has its key, and it is not here yet" "carry $HOST.tar, or $HOST.$CLUSTER.tar, to $HANDOFFS/ here, as RUNBOOK.md says, or name it with --handoff"
  fi
  need_own_file "$1"
  need_only_key "$1" "$2"
  need_client "$2" || :
}

need_own_file() { # FILE: by no symbolic link it is another that a step manages: the two would change each other for ever
  local other
  while IFS= read -r other; do
    if [[ $other != "$1" && $other -ef $1 && (-L $other || -L $1) ]]; then
      refuse 1 "it and $other are one file, through a symbolic link" 'remove the link: each gets a file of its own'
    fi
  done <"$RUN/resources"
}

need_only_key() { # FILE NAME: if its content must be replaced, nobody else's key goes with it
  local line others=''
  if [[ ! -f $1 ]]; then return 0; fi
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ ^[[:space:]]*\[(.*)\][[:space:]]*$ && ${BASH_REMATCH[1]} != "client.$2" ]]; then others+="${others:+, }${BASH_REMATCH[1]}"; fi
  done <"$1"
  if [[ -z $others ]] || ! final_key_of "$2" || holds_key "$1" "client.$2"; then return 0; fi
  refuse 1 "its key is to be replaced, and it holds others that would be lost: $others" "move them to files of their own: $CEPH_DIR/$CLUSTER.NAME.keyring"
}

keyring_acl() { # FILE: whom its ACL lets in besides owner and group, one entry a line
  if command -v getfacl >/dev/null; then getfacl --absolute-names --omit-header --no-effective -- "$1" | grep -E '^(user|group):[^:]' || :; fi
}

keyring_compare() { # FILE NAME OWNER:GROUP MODE [USER…]
  local acl=''
  if (($# > 4)); then printf -v acl 'user:%s:r--\n' "${@:5}"; fi
  if ! key_of "$2"; then
    if [[ $MODE != check ]]; then fail 'its key has not arrived'; fi
    DIFFERS='is installed' # a ceph-admin host makes the key earlier in the same run
    return 0
  fi
  if [[ ! -e $1 ]]; then
    DIFFERS='is installed'
  elif ! holds_key "$1" "client.$2"; then
    DIFFERS='its key is replaced (content hidden)'
  elif [[ $(stat -Lc '%U:%G 0%a' -- "$1") != "$3 $4" ]]; then
    DIFFERS="was $(stat -Lc '%U:%G 0%a' -- "$1")"
  elif [[ $(keyring_acl "$1" | sort) != "$(printf '%s' "$acl" | sort)" ]]; then
    DIFFERS="its ACL let in $(keyring_acl "$1" | paste -sd ' ' | grep . || printf nobody)"
  fi
}

keyring_do() { # FILE NAME OWNER:GROUP MODE [USER…]
  local readers=${*:5}
  make_ceph_dir
  # where only its readers differ, what else is in it stays
  if [[ -e $1 ]] && holds_key "$1" "client.$2"; then cat -- "$1" >"$RUN/keyring"; else keyring_text "client.$2" >"$RUN/keyring"; fi
  attempt 'write it' replace_file --mode "$4" --owner "$3" --readers "${readers// /,}" "$1" <"$RUN/keyring"
}

make_ceph_dir() { if [[ ! -d $CEPH_DIR ]]; then install -d -m 0755 -- "$CEPH_DIR"; fi; }

# ---------------------------------------------------------------------------------------------------------------
# patch_ini TARGET PATCH [--include 'SECTION.KEY=ITEM,…']…: TARGET says what PATCH says; all else in it stays as it is,
# but for what an earlier PATCH of this site set and this one no longer names: that goes back to what it was
# ceph_conf PATCH: the same for the cluster's own configuration file, which may be new here

patch_ini() { act ini "$1" "$1 as in $2" "$1" "$BUNDLE/$2" "${@:3}"; }

INI_PATCH=(bash "$LIB/ini-patch") # through its interpreter: the medium may be mounted noexec

ini_record() { # PATCH OPTION…: in $RUN/merged, what is merged now, for the run that will no longer name some of it
  local option
  cat -- "$1" >"$RUN/merged"
  for option in "${@:2}"; do
    if [[ $option != --* ]]; then printf '# included: %s\n' "$option" >>"$RUN/merged"; fi
  done
}

ini_recorded() { [[ $(digest_of "$RUN/merged") == $(digest_of "$STATE/merged$1") ]]; } # TARGET

ini_options() { # TARGET PATCH OPTION…: OPTIONS for ini-patch, with what an earlier run merged, if that was something else
  local merged=$STATE/merged$1 pristine=$STATE/pristine$1 line
  OPTIONS=("${@:3}")
  ini_record "${@:2}"
  if [[ ! -e $merged ]] || ini_recorded "$1"; then return 0; fi
  if [[ ! -e $pristine ]]; then pristine=/dev/null; fi # there was no such file
  OPTIONS+=(--before "$merged" --pristine "$pristine")
  while IFS= read -r line; do
    if [[ $line == '# included: '* ]]; then OPTIONS+=(--before-include "${line#*: }"); fi
  done <"$merged"
}

ini_remember() { # TARGET PATCH OPTION…
  ini_record "${@:2}"
  if ! ini_recorded "$1"; then
    mkdir -p "$STATE/merged${1%/*}"
    attempt 'note what was merged' replace_file --mode 0600 "$STATE/merged$1" <"$RUN/merged"
  fi
}

ini_need() { # TARGET PATCH OPTION…
  local rc=0 advice='mend that, and run again'
  if [[ -e $1 && ! -f $1 || -L $1 && ! -e $1 ]]; then return 0; fi # need_place has said so
  if [[ ! -e $1 && " $* " != *' --create '* ]]; then
    refuse 69 'the file does not exist' "install the service's package first: it brings the file"
    return 0
  fi
  ini_options "$@"
  captured "${INI_PATCH[@]}" --check ${OPTIONS[@]+"${OPTIONS[@]}"} "$1" "$2" || rc=$?
  if ((rc == 65)); then advice='the service itself could not read such a file: mend that line first'; fi
  if ((rc != 0 && rc != 10)); then refuse "$((rc == 65 ? 65 : 69))" "$CAUSE" "$advice"; fi
}

ini_compare() { # TARGET PATCH OPTION…
  local rc=0
  ini_options "$@"
  captured "${INI_PATCH[@]}" --check ${OPTIONS[@]+"${OPTIONS[@]}"} "$1" "$2" || rc=$?
  case $rc in
    0) ;;
    10) DIFFERS='is patched' ;;
    *) fail "$CAUSE" ;;
  esac
}

ini_diff() { "${INI_PATCH[@]}" --diff ${OPTIONS[@]+"${OPTIONS[@]}"} "$1" "$2" || (($? == 10)); }

ini_do() { attempt 'write it' patched ${OPTIONS[@]+"${OPTIONS[@]}"} "$1" "$2"; }
patched() { "${INI_PATCH[@]}" "$@"; }

ceph_conf() { act ceph_conf "$CEPH_DIR/$CLUSTER.conf" "$CEPH_DIR/$CLUSTER.conf as in $1" "$CEPH_DIR/$CLUSTER.conf" "$BUNDLE/$1" --create; }

ceph_conf_need() { # TARGET PATCH --create
  local section
  need_monitor || :
  if [[ -f $1 ]]; then
    for section in global client; do # what a client reads
      # where Ceph could not read the file, ini_need says so
      if captured "${INI_PATCH[@]}" --grammar ceph --get "$section.fsid" "$1" && [[ -n $OUTPUT && ${OUTPUT,,} != "$FSID" ]]; then
        refuse 65 "this host is bound to another cluster (fsid $OUTPUT); the site says $FSID" "correct fsid in site.yaml, or move the file away if that cluster is gone"
      fi
    done
  fi
  ini_need "$@"
}
ceph_conf_compare() { ini_compare "$@"; }
ceph_conf_diff() { ini_diff "$@"; }
ceph_conf_remember() { ini_remember "$@"; }
ceph_conf_do() {
  make_ceph_dir
  ini_do "$@"
}

# ---------------------------------------------------------------------------------------------------------------
# not_overridden PATCH FILE…: no file that the service reads later says otherwise; of a folder it reads *.conf

not_overridden() { prove overridden "$1 has the last word" "$@"; }

overridden_need() { overridden_prove "$@"; }

overridden_prove() { # PATCH FILE…
  local place file rc files=()
  for place in "${@:2}"; do
    if [[ -d $place ]]; then files+=("$place"/*.conf); else files+=("$place"); fi
  done
  for file in "${files[@]}"; do
    if [[ ! -f $file ]]; then continue; fi
    rc=0
    captured "${INI_PATCH[@]}" --conflicts "$file" "$BUNDLE/$1" || rc=$?
    if ((rc == 10)); then
      if [[ $MODE == preflight ]]; then refuse 69 "${OUTPUT%%$'\n'*}" "the service reads that file after the patched one: remove the line from it"; else fail "$OUTPUT"; fi
    elif ((rc)); then
      fail "$CAUSE"
    fi
  done
}

# ---------------------------------------------------------------------------------------------------------------
# reach_pool NAME POOL USER: the service's own user reads the keyring and reaches the pool

reach_pool() { prove reach_pool "user $3 reaches pool $2 as client.$1" "$@"; }

reach_pool_need() { # NAME POOL USER
  need_command rbd ceph-common
  need_command runuser util-linux
  need_user "$3"
  need_way "$3"
  if ! command -v rbd >/dev/null || ! need_client "$1"; then return 0; fi
  if ! ask_as "$1" rbd --client_mount_timeout "$CEPH_PATIENCE" ls --pool "$2"; then
    refuse 69 "$CAUSE" "./apply on the ceph-admin host, or another team by CEPH-TEAM.md, makes the pool and the client's capabilities; if they are there, look at 'ceph -s'"
  fi
}

need_way() { # USER: what is there already of the way to the cluster's configuration file, which keeps its mode, is open to the user
  local place test rc
  if ! command -v runuser >/dev/null || ! getent passwd "$1" >/dev/null; then return 0; fi # which has been said
  for place in "$CEPH_DIR" "$CEPH_DIR/$CLUSTER.conf"; do
    if [[ -d $place ]]; then test=x; else test=r; fi
    rc=0
    if [[ -e $place ]]; then bounded runuser -u "$1" -- test "-$test" "$place" || rc=$?; fi
    if ((rc == 1)); then # any other says nothing of the place
      WHAT='' refuse 69 "user $1 cannot read $place ($(stat -Lc '%U:%G 0%a' -- "$place"))" "its service finds no cluster without it: chmod o+$test $place"
      return 0
    fi
  done
}

reach_pool_prove() { # NAME POOL USER
  if ! bounded runuser -u "$3" -- rbd --cluster "$CLUSTER" --id "$1" "${TRACELESS[@]}" ls --pool "$2"; then
    fail "$CAUSE" "try it: runuser -u $3 -- rbd --cluster $CLUSTER --id $1 ls --pool $2"
  fi
}

# ---------------------------------------------------------------------------------------------------------------
# keep_image_stores FILE PATCH ID:TYPE…: images in the stores that Glance has now must stay reachable once `enabled_backends`
# takes over, since it makes Glance ignore [glance_store] stores and filesystem_store_datadir

keep_image_stores() { prove image_stores "image stores of $1 stay reachable" "$1" "$BUNDLE/$2" "${@:3}"; }

# FILE SECTION.KEY: some line names the key, in whatever section. A quick look, since the patcher reads long files slowly
may_set() { grep -qsaE -- "^[^#;]*${2##*.}[^=:]*[=:]" "$1"; }

ini_value() { # FILE SECTION.KEY [DEFAULT]: as the service reads it; 1 if it could not read such a file, which patch_ini says
  local rc=10
  if may_set "$1" "$2"; then
    rc=0
    captured "${INI_PATCH[@]}" --get "$2" "$1" || rc=$?
  fi
  case $rc in
    0) printf '%s\n' "$OUTPUT" ;;
    10) printf '%s\n' "${3:-}" ;;
    *) exit 1 ;; # of the $(…) that this stands in
  esac
}

image_stores_need() { # FILE PATCH ID:TYPE…
  local stores store type folder wanted
  if [[ -f $1 ]]; then
    need_no_credentials_shown "$1" "$2"
    need_own_names "$1" "${@:3}"
    need_same_image_pools "$1" "$2" "${@:3}"
  fi
  # once enabled_backends is set, it tells, and patch_ini keeps every backend in it
  if [[ ! -f $1 || -n $(ini_value "$1" DEFAULT.enabled_backends) ]]; then return 0; fi
  IFS=', ' read -ra stores <<<"$(ini_value "$1" glance_store.stores file,http)"
  for store in ${stores[@]+"${stores[@]}"}; do
    type=${store#glance.store.} type=${type#glance_store._drivers.} type=${type%.Store} type=${type/#filesystem/file}
    if [[ " ${*:3} " != *":$type "* ]]; then
      refuse 1 "images in its store '$store' would be lost from view" "in $1 give that store a section [$type] with its options, add $type:$type to enabled_backends in [DEFAULT], and run again"
    fi
  done
  folder=$(ini_value "$1" glance_store.filesystem_store_datadir /var/lib/glance/images) || return 0
  wanted=$(ini_value "$2" file.filesystem_store_datadir /var/lib/glance/images)
  if [[ ${folder%/} != "${wanted%/}" ]]; then
    refuse 1 "its images lie in $folder, the site says $wanted" "set filesystem_store_datadir: $folder in site.yaml, under the options of services.glance, or of one of its stores"
  fi
}

need_same_image_pools() { # FILE PATCH ID:TYPE…: an image is opened in the pool that its location names, which the site's client must be let into
  local stores store there pools=''
  if is_merged "$1"; then return 0; fi
  IFS=', ' read -ra stores <<<"$(ini_value "$1" DEFAULT.enabled_backends)"
  for store in ${stores[@]+"${stores[@]}"}; do
    if [[ $store == *:rbd && " ${*:3} " == *" $store "* ]]; then need_same_value "$1" "$2" "${store%:*}.rbd_store_pool" images "pool of Glance's store ${store%:*}" images; fi
  done
  if ((${#stores[@]})) || ! lists_rbd "$1"; then return 0; fi
  there=$(ini_value "$1" glance_store.rbd_store_pool images) || return 0
  for store in "${@:3}"; do
    if [[ $store == *:rbd ]]; then pools+=" $(ini_value "$2" "${store%:*}.rbd_store_pool")"; fi
  done
  if [[ "$pools " != *" $there "* ]]; then
    refuse 1 "$1 has images in pool $there; the site says${pools}" "if there are any: set pool of services.glance (or of one of its stores) in site.yaml to $there; if there are none: set rbd_store_pool =${pools} in [glance_store] of $1"
  fi
}

lists_rbd() { [[ ,$(ini_value "$1" glance_store.stores), == *[,\ .]rbd[,\ .]* ]]; } # FILE: in the form from before enabled_backends

need_own_names() { # FILE ID:TYPE…: with one id twice Glance does not start (oslo.config: "Duplicate key")
  local stores store
  IFS=', ' read -ra stores <<<"$(ini_value "$1" DEFAULT.enabled_backends)"
  for store in ${stores[@]+"${stores[@]}"}; do
    if [[ " ${*:2} " == *" ${store%%:*}:"* && " ${*:2} " != *" $store "* ]]; then
      refuse 1 "it has a store '${store%%:*}' of another type, ${store#*:}" "images in it are known by its name: give the site's store another one, under services.glance.stores in site.yaml"
    fi
  done
}

need_no_credentials_shown() { # FILE PATCH: a location in S3 holds the key that opens it (glance_store's drivers, s3.py: StoreLocation)
  local option store stores
  IFS=', ' read -ra stores <<<"$(ini_value "$1" DEFAULT.enabled_backends)"
  for option in show_image_direct_url show_multiple_locations; do
    if [[ $(ini_value "$2" "DEFAULT.$option") != true ]]; then continue; fi
    for store in ${stores[@]+"${stores[@]}"}; do
      if [[ $store == *:s3 ]]; then
        refuse 1 "$option would show the keys of its store '${store%:*}' to every user" "set services.glance.copy_on_write (and services.nova.cow_snapshots) to false in site.yaml, or move those images out of S3 and take the store away"
      fi
    done
  done
}

image_stores_prove() { :; } # preflight has seen it, and patch_ini never takes a backend away

# not_multi_store FILE PATCH: Glance reads [glance_store], which it does not once `enabled_backends` is set

not_multi_store() { prove not_multi_store "$1 lists its stores in [glance_store]" "$1" "$BUNDLE/$2"; }

not_multi_store_need() { # FILE PATCH
  if ! is_merged "$1" && lists_rbd "$1"; then need_same_value "$1" "$2" glance_store.rbd_store_pool images 'pool of services.glance' images; fi
  if [[ -f $1 && -n $(ini_value "$1" DEFAULT.enabled_backends) ]]; then
    refuse 1 'it sets enabled_backends, with which Glance would read nothing of [glance_store]' 'that form is an experiment in this release: take enabled_backends out of [DEFAULT], or upgrade Glance to Train and say so in site.yaml'
  fi
}

not_multi_store_prove() { :; } # preflight has seen it

# ---------------------------------------------------------------------------------------------------------------
# keep_volumes FILE PATCH BACKEND…: the volumes of a backend that is there lie in its pool, and belong to HOST@BACKEND#NAME. Were one of these
# another from now on, Cinder would not find them, or nobody would serve them

keep_volumes() { prove volumes "volumes of ${*:3} keep their backend" "$1" "$BUNDLE/$2" "${@:3}"; }

volumes_need() { # FILE PATCH BACKEND…
  local backend before after there
  if is_merged "$1" || ! before=$(ini_value "$1" DEFAULT.host); then return 0; fi
  before=${before:-$(uname -n)}
  after=$(ini_value "$2" DEFAULT.host "$before")
  for backend in "${@:3}"; do
    if [[ $(backend_value "$1" "$backend" volume_driver) != *.rbd.RBDDriver ]]; then continue; fi
    there=$(backend_value "$1" "$backend" rbd_pool rbd)
    need_same "$1" "$2" "$backend.rbd_pool" "$there" "$there" "pool for backend $backend" volumes
    there=$(backend_value "$1" "$backend" volume_backend_name RBD)
    need_same "$1" "$2" "$backend.volume_backend_name" "$there" "$there" "volume_backend_name for backend $backend" volumes
    there=$(backend_value "$1" "$backend" backend_host)
    need_same "$1" "$2" "$backend.backend_host" "${there:-$before}" "${there:-$after}" "options.backend_host for backend $backend" volumes
  done
  if [[ $after != "$before" ]]; then need_hosts_of_their_own "$1" "$before" "$after" "${@:3}"; fi
}

need_hosts_of_their_own() { # FILE HOST LATER BACKEND…: a backend that is none of the site's stays enabled, and its volumes belong to HOST
  local backend backends
  IFS=', ' read -ra backends <<<"$(ini_value "$1" DEFAULT.enabled_backends)"
  for backend in ${backends[@]+"${backends[@]}"}; do
    if [[ " ${*:4} " == *" $backend "* || -n $(backend_value "$1" "$backend" backend_host) ]]; then continue; fi
    refuse 1 "volumes of backend $backend belong to host = $2; the site says $3" "set backend_host = $2 in [$backend] of $1 first; or take DEFAULT.host out of site.yaml"
  done
}

backend_value() { # FILE BACKEND KEY [DEFAULT]: as Cinder reads it, which takes from [backend_defaults] what a backend is silent of
  ini_value "$1" "$2.$3" "$(ini_value "$1" "backend_defaults.$3" "${4:-}")"
}

# once a bundle of this site has set what data is found by, the site may change it (--plan calls that a danger); before, another value is a slip
is_merged() { [[ ! -f $1 || -e $STATE/merged$1 ]]; } # FILE: or there is none

# FILE PATCH SECTION.KEY THERE LATER KEY-IN-SITE DATA: what data is found by is THERE, and stays that; LATER is what it will be if PATCH is silent
need_same() {
  local wanted
  wanted=$(ini_value "$2" "$3" "$5")
  if [[ $4 != "$wanted" ]]; then
    refuse 1 "$1 has $7 that are found by [${3%.*}] ${3##*.} = $4; the site says $wanted" \
      "if there are any: set $6 in site.yaml to $4; if there are none: set ${3##*.} = $wanted in that section of $1"
  fi
}

need_same_value() { # FILE PATCH SECTION.KEY DEFAULT KEY-IN-SITE DATA
  local there
  there=$(ini_value "$1" "$3" "$4") || return 0
  need_same "$1" "$2" "$3" "$there" "$there" "${@:5}"
}

volumes_prove() { :; } # preflight has seen it

# ---------------------------------------------------------------------------------------------------------------
# keep_disks FILE PATCH: Nova looks for the disks of all guests where new ones go. Guests whose disks lie elsewhere run on, and do not start again

keep_disks() { prove disks 'guests of this host find their disks' "$1" "$BUNDLE/$2"; }

disks_need() { # FILE PATCH
  local state folder disk guests=()
  if is_merged "$1"; then return 0; fi
  if [[ $(ini_value "$1" libvirt.images_type) == rbd ]]; then
    need_same_value "$1" "$2" libvirt.images_rbd_pool rbd 'pool of services.nova' disks
    return 0
  fi
  state=$(ini_value "$1" DEFAULT.state_path /var/lib/nova) || return 0
  folder=$(ini_value "$1" DEFAULT.instances_path "\$state_path/instances") || return 0
  folder=${folder//\$state_path/$state}
  for disk in "$folder"/*/disk; do
    if [[ -e $disk ]]; then guests+=("${disk#"$folder/"}"); fi
  done
  if ((${#guests[@]})); then
    refuse 1 "disks of ${#guests[@]} guests lie in $folder, such as ${guests[0]%/disk}: they run on, but could not be started again once disks are looked for in Ceph" \
      "shelve them (openstack server shelve ID), run this again, and unshelve them: their disks are then made in Ceph; or delete them, or leave this host out of site.yaml"
  fi
}

disks_prove() { :; } # preflight has seen it

# ---------------------------------------------------------------------------------------------------------------
# name_unread FILE SECTION.KEY…: what guides of old set where nothing reads it. It is told, since somebody relies on it, and left like every
# line that no patch names

name_unread() {
  local setting found=''
  if [[ $MODE != @(check|apply|verify) || ! -f $1 ]]; then return 0; fi
  for setting in "${@:2}"; do
    if may_set "$1" "$setting" && captured "${INI_PATCH[@]}" --get "$setting" "$1"; then found+="${found:+, }[${setting%.*}] ${setting##*.}"; fi
  done
  if [[ -z $found ]]; then return 0; fi
  note "!! $1: nothing reads $found"
  advise 'older guides set it; what it was for is set where it is read, so take it out when you edit that file'
}

# ---------------------------------------------------------------------------------------------------------------
# libvirt_secret XML NAME: libvirt holds the client's key under the site's UUID, so that guests can open their disks

libvirt_secret() {
  local uuid usage
  uuid=$(xml_text uuid "$BUNDLE/$1") usage=$(xml_text name "$BUNDLE/$1")
  act secret '' "libvirt secret $uuid ($usage)" "$1" "$2" "$uuid" "$usage"
}

xml_text() { # ELEMENT FILE: the text of an element that stands on one line, as our own XML writer puts it
  local line
  while IFS= read -r line; do
    if [[ $line =~ \<$1\>(.*)\</$1\> ]]; then
      printf '%s\n' "${BASH_REMATCH[1]}"
      return 0
    fi
  done <"$2"
  return 1
}

VIRSH=(virsh -q -c qemu:///system)

secret_need() { # XML NAME UUID USAGE
  local rc=0 uuid kind usage listed
  need_command virsh 'libvirt-clients or libvirt-client'
  if ! command -v virsh >/dev/null; then return 0; fi
  bounded "${VIRSH[@]}" secret-list || rc=$?
  if ((rc)); then
    libvirt_units
    refuse 69 "libvirt does not answer: $CAUSE" "start it: systemctl enable --now $UNITS"
    return 0
  fi
  listed=$OUTPUT
  while read -r uuid kind usage; do
    if [[ $kind == ceph && $usage == "$4" && $uuid != "$3" ]]; then
      refuse 1 "libvirt already has a secret of this name with UUID $uuid" "guests may be using it: set secret_uuid: $uuid for client $2 in site.yaml, or remove it with 'virsh secret-undefine $uuid'"
    elif [[ $uuid == "$3" ]]; then
      bounded "${VIRSH[@]}" secret-dumpxml "$3" || :
      if [[ $OUTPUT == *"private='yes'"* ]]; then
        refuse 1 'libvirt holds it as private, so its value can never be compared with the key' "while no guest of this host starts or moves: virsh secret-undefine $3, and run again"
      elif [[ $OUTPUT == *"ephemeral='yes'"* ]]; then
        refuse 1 'libvirt holds it as ephemeral, so it is gone once libvirtd restarts' "while no guest of this host starts or moves: virsh secret-undefine $3, and run again"
      elif [[ $kind == ceph && $usage != "$4" ]] && secret_empty "$3"; then
        refuse 1 "libvirt has this UUID for '$kind $usage', without a value" "whoever defined it has stopped half way, and no guest can use it: virsh secret-undefine $3, and run again"
      elif [[ "$kind $usage" != "ceph $4" ]] && ! secret_adopted "$2" "$3" "$kind $usage"; then
        refuse 1 "libvirt already uses this UUID for '$kind $usage', which is not the client's key" "give client $2 another secret_uuid in site.yaml, or remove that secret with 'virsh secret-undefine $uuid'"
      fi
    fi
  done <<<"$listed"
}

secret_empty() { ! bounded "${VIRSH[@]}" secret-get-value "$1" && [[ $CAUSE == *'does not have a value'* ]]; } # UUID

libvirt_units() { # UNITS are those through which this host's libvirt answers: one daemon for all, or one for guests and one for secrets
  local unit
  UNITS=libvirtd.service
  for unit in virtqemud.socket virtqemud.service; do
    if systemctl --quiet is-enabled "$unit" 2>/dev/null; then UNITS='virtqemud.socket virtsecretd.socket'; fi
  done
}

# NAME UUID NAMED: a Ceph secret that somebody else has defined is the client's if it holds the client's key, whatever it is
# named, since guests know its UUID alone; and then it stays the client's when the key is renewed
secret_adopted() {
  if [[ $3 != 'ceph '* ]]; then return 1; fi
  if grep -qsxF -- "$3" "$STATE/adopted/$2"; then return 0; fi
  if ! final_key_of "$1"; then return 1; fi
  bounded "${VIRSH[@]}" secret-get-value "$2" && [[ $OUTPUT == "$KEY" ]]
}

secret_remember() { # XML NAME UUID USAGE
  if [[ -z $NAMED || $NAMED == "ceph $4" || -e $STATE/adopted/$3 ]]; then return 0; fi
  mkdir -p "$STATE/adopted"
  printf '%s\n' "$NAMED" >"$RUN/named"
  attempt 'note whose it is' replace_file --mode 0600 "$STATE/adopted/$3" <"$RUN/named"
}

secret_compare() { # XML NAME UUID USAGE: also NAMED, what libvirt has the secret for
  local rc=0 uuid kind usage
  NAMED=''
  if ! key_of "$2"; then
    DIFFERS='is defined' # a ceph-admin host makes the key earlier in the same run
    return 0
  fi
  attempt 'list the secrets of libvirt' "${VIRSH[@]}" secret-list
  while read -r uuid kind usage; do
    if [[ $uuid == "$3" ]]; then
      NAMED="$kind $usage"
    elif [[ "$kind $usage" == "ceph client.$2 secret" ]]; then
      report skipped "libvirt secret $uuid ($usage): left alone, since guests may name it"
      advise "a guest that does can move to hosts with the same secret only; where all computes have this UUID, keep it: secret_uuid: $uuid for client $2 in site.yaml"
    fi
  done <<<"$OUTPUT"
  if [[ -z $NAMED ]]; then
    DIFFERS='is defined'
    return 0
  fi
  bounded "${VIRSH[@]}" secret-get-value "$3" || rc=$?
  if ((rc)); then
    DIFFERS='gets its value'
  elif [[ $OUTPUT != "$KEY" ]]; then
    DIFFERS='its value is replaced (content hidden)'
  fi
  OUTPUT=''
}

secret_do() { # XML NAME UUID USAGE
  if [[ $DIFFERS == 'is defined' ]]; then attempt 'define it' "${VIRSH[@]}" secret-define --file "$BUNDLE/$1"; fi
  secret_set_value "$3"
  # libvirt accepts bad base64 in silence, so believe only what it gives back
  attempt 'read its value back' "${VIRSH[@]}" secret-get-value "$3"
  if [[ $OUTPUT != "$KEY" ]]; then fail 'libvirt stored something else than the key' 'run ./apply again; if it stays, look at the log of libvirtd'; fi
  OUTPUT=''
}

secret_set_value() { # UUID: KEY becomes its value, through a pipe and never by a command line
  if "${VIRSH[@]}" help secret-set-value | grep -q -- --file; then
    # it takes the base64 text as it is
    attempt 'set its value' "${VIRSH[@]}" secret-set-value "$1" --file /dev/stdin < <(printf '%s' "$KEY")
  else
    # an older virsh takes the value as an argument only, but whole commands from its standard input; its history goes where the run's keys are
    HOME=$RUN XDG_CACHE_HOME=$RUN attempt 'set its value' "${VIRSH[@]}" < <(printf 'secret-set-value %s --base64 %s\n' "$1" "$KEY")
  fi
}

# ---------------------------------------------------------------------------------------------------------------
# libvirt_at_least LIBVIRT QEMU: nova-compute starts on these versions or newer, and would not come back from its restart on older ones

libvirt_at_least() { prove new_libvirt "libvirt is $1 or newer, and QEMU $2" "$@"; }

too_old() { # LIBVIRT QEMU: one of those in OUTPUT is, and CAUSE says which
  local said=$OUTPUT floor
  CAUSE=''
  for floor in "against daemon: $1" "hypervisor: QEMU $2"; do
    if [[ $said =~ ${floor% *}\ ([0-9.]+) ]] && VERSION=${BASH_REMATCH[1]} && older_than "${floor##* }"; then
      CAUSE+="${CAUSE:+, }${floor% *} $VERSION"
    fi
  done
  [[ -n $CAUSE ]]
}

new_libvirt_need() { # LIBVIRT QEMU: whether libvirt answers at all, libvirt_secret asks
  if command -v virsh >/dev/null && bounded "${VIRSH[@]}" version --daemon && too_old "$@"; then
    refuse 69 "virsh version says $CAUSE" "nova-compute would not start again: update libvirt and QEMU from the site's own mirror, or correct openstack.release in site.yaml"
  fi
}

new_libvirt_prove() { # LIBVIRT QEMU
  attempt 'ask libvirt for its version' "${VIRSH[@]}" version --daemon
  if too_old "$@"; then fail "virsh version says $CAUSE" "nova-compute does not start on that: update libvirt and QEMU"; fi
}

# ---------------------------------------------------------------------------------------------------------------
# tmpfiles SOURCE TARGET: folders that must exist after every boot, made now as well (tmpfiles.d)

tmpfiles() { # SOURCE TARGET
  act tmpfiles "$2" "$2 as in $1" "$BUNDLE/$1" "$2"
  if [[ $MODE == rollback ]]; then report skipped "the folders of $1: left alone, since guests may be writing there"; fi
}

tmpfiles_need() { # SOURCE TARGET
  local kind path mode user group rest
  need_command systemd-tmpfiles systemd
  while read -r kind path mode user group rest; do
    if [[ $kind == d ]]; then need_user "$user"; fi
  done <"$1"
}

tmpfiles_compare() { # SOURCE TARGET
  local kind path mode user group rest
  if [[ ! -f $2 || $(digest_of "$1") != $(digest_of "$2") ]]; then
    DIFFERS='is installed'
    return 0
  fi
  while read -r kind path mode user group rest; do
    if [[ $kind == d && (! -d $path || $(stat -c '0%a %U %G' -- "$path") != "$mode $user $group") ]]; then DIFFERS="makes $path"; fi
  done <"$1"
}

tmpfiles_do() { # SOURCE TARGET
  if [[ ! -d ${2%/*} ]]; then install -d -m 0755 -- "${2%/*}"; fi
  attempt 'write it' replace_file --mode 0644 --owner root:root "$2" <"$1"
  attempt 'make its folders' systemd-tmpfiles --create "$2"
}

# ---------------------------------------------------------------------------------------------------------------
# packages COMMAND… -- PACKAGE…: they are installed (`a|b`: one of them), or named with the COMMAND that installs them. Nothing is
# fetched from here: where packages come from is the site's own

packages() {
  local command=''
  while [[ $1 != -- ]]; do
    command+="$1 "
    shift
  done
  prove packages "packages ${*:2}" "${command% }" "${@:2}"
}

packages_need() { if missing_packages "$@"; then refuse 69 "not installed: ${MISSING[*]}" "from the site's own mirror: $1 ${MISSING[*]%%|*}"; fi; }

packages_prove() { if missing_packages "$@"; then fail "not installed: ${MISSING[*]}" "from the site's own mirror: $1 ${MISSING[*]%%|*}"; fi; }

missing_packages() { # COMMAND PACKAGE…: MISSING are those of which none is installed; 1 if there are none
  local wanted name names
  MISSING=()
  for wanted in "${@:2}"; do
    IFS='|' read -ra names <<<"$wanted"
    for name in "${names[@]}"; do
      if has_package "$1" "$name"; then continue 2; fi
    done
    MISSING+=("$wanted")
  done
  ((${#MISSING[@]}))
}

has_package() { # COMMAND PACKAGE
  if [[ $1 == apt-get* ]]; then
    # shellcheck disable=SC2016 # dpkg-query expands it
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$2" 2>/dev/null) == installed* ]]
  else
    rpm -q --quiet --whatprovides "$2"
  fi
}

# ---------------------------------------------------------------------------------------------------------------
# deploy_user NAME              an account for those who carry and apply bundles; no password lets anybody in
# authorized_keys NAME FILE     these keys log in as it, and no others
# sudo_rule NAME FILE TARGET    it becomes root without a password

deploy_user() { WHY_LEFT="somebody may be logged in as it; without its rule it is nobody (to remove it: userdel -r $1)" act deploy_user '' "user $1" "$1"; }

deploy_user_need() { # NAME
  local uid shell
  if ! getent passwd "$1" >/dev/null; then
    need_command useradd 'passwd or shadow-utils'
    if getent group "$1" >/dev/null; then refuse 1 'there is a group of that name, and no such user' 'name another deploy user in site.yaml, or remove that group'; fi
    return 0
  fi
  IFS=: read -r _ _ uid _ _ _ shell < <(getent passwd "$1")
  if ((uid == 0)) || [[ $shell == */@(nologin|false) ]]; then
    refuse 1 "it is there already, and nobody's to log in as (uid $uid, shell $shell)" 'name another deploy user in site.yaml'
  fi
}

deploy_user_compare() { if ! getent passwd "$1" >/dev/null; then DIFFERS='is made'; fi; } # NAME

deploy_user_do() { attempt 'make it' useradd --create-home --home-dir "/home/$1" --shell /bin/bash --password '*' "$1"; } # NAME

authorized_keys() { # NAME FILE
  local home="/home/$1" entry
  if entry=$(getent passwd "$1"); then IFS=: read -r _ _ _ _ _ home _ <<<"$entry"; fi
  act authorized_keys "$home/.ssh/authorized_keys" "authorized keys of $1 as in $2" "$home/.ssh/authorized_keys" "$1" "$BUNDLE/$2"
}

authorized_keys_need() { # TARGET NAME FILE: what lies in a home is its owner's, and may lead anywhere
  local place
  for place in "${1%/*}" "$1"; do
    if [[ -L $place ]]; then refuse 1 "$place is a symbolic link" 'put a folder or file in its place'; fi
  done
}

authorized_keys_compare() { # TARGET NAME FILE
  if [[ ! -e $1 ]]; then
    DIFFERS='is installed'
  elif [[ $(digest_of "$1") != $(digest_of "$3") ]]; then
    DIFFERS='is replaced'
  elif [[ $(stat -c '%U 0%a' -- "$1") != "$2 0600" ]]; then
    DIFFERS="was $(stat -c '%U 0%a' -- "$1")"
  fi
}

authorized_keys_diff() { file_diff "$1" "$3"; } # TARGET NAME FILE

authorized_keys_do() { # TARGET NAME FILE
  local group
  group=$(id -gn -- "$2")
  if [[ ! -d ${1%/*} ]]; then install -d -m 0700 -o "$2" -g "$group" -- "${1%/*}"; fi
  attempt 'write it' replace_file --mode 0600 --owner "$2:$group" "$1" <"$3"
}

file_diff() { # TARGET FILE
  local old=$1
  if [[ ! -e $old ]]; then old=/dev/null; fi
  diff -u -- "$old" "$2" || (($? == 1))
}

sudo_rule() { act sudo_rule "$3" "$3 as in $2" "$3" "$1" "$BUNDLE/$2"; }

sudo_rule_need() { # TARGET NAME FILE: sudo reads all of its rules or none
  need_command visudo sudo
  if ! command -v visudo >/dev/null; then return 0; fi
  if ! captured visudo -cf "$3"; then refuse 65 "sudo does not understand it: $CAUSE" 'the sudo of this host is too old for it: add the rule by hand, and leave out prepare.deploy_user'; fi
  if ! captured visudo -c; then
    refuse 69 "sudo's rules on this host are not right: $CAUSE" 'look at: visudo -c'
  elif ! grep -qsE '^[@#]includedir[[:space:]]+/etc/sudoers\.d/?[[:space:]]*$' /etc/sudoers /usr/etc/sudoers; then
    refuse 69 'sudo of this host does not read /etc/sudoers.d' "add this line with visudo: @includedir /etc/sudoers.d"
  fi
}

sudo_rule_compare() { # TARGET NAME FILE
  if [[ ! -e $1 ]]; then
    DIFFERS='is installed'
  elif [[ $(digest_of "$1") != $(digest_of "$3") ]]; then
    DIFFERS='is replaced'
  elif [[ $(stat -c '%U:%G 0%a' -- "$1") != 'root:root 0440' ]]; then
    DIFFERS="was $(stat -c '%U:%G 0%a' -- "$1")"
  fi
}

sudo_rule_diff() { file_diff "$1" "$3"; } # TARGET NAME FILE

sudo_rule_do() { # TARGET NAME FILE: a rule that sudo cannot read would shut everybody out
  attempt 'check it' visudo -cf "$3"
  attempt 'write it' replace_file --mode 0440 --owner root:root "$1" <"$3"
}

sudo_rule_prove() { # TARGET NAME FILE
  if ! bounded runuser -u "$2" -- sudo -n true; then fail "$2 does not become root: $CAUSE" "try it: runuser -u $2 -- sudo -n true"; fi
}

# ---------------------------------------------------------------------------------------------------------------
# trust_signers FILE: from now on this host runs only bundles that one of these signed

trust_signers() { WHY_LEFT='the next bundle must be signed too' act signers '' "$SIGNERS as in $1" "$BUNDLE/$1"; }

signers_need() { :; } # the bundle would not have come this far

signers_compare() { # FILE
  if [[ $(digest_of "$1") != $(digest_of "$SIGNERS") ]]; then DIFFERS='is installed'; fi
}

signers_diff() { file_diff "$SIGNERS" "$1"; } # FILE

signers_do() { # FILE
  if [[ ! -d ${SIGNERS%/*} ]]; then install -d -m 0755 -- "${SIGNERS%/*}"; fi
  attempt 'write it' replace_file --mode 0644 --owner root:root "$SIGNERS" <"$1"
}

# ---------------------------------------------------------------------------------------------------------------
# restart_on_change UNIT: restart it if anything that this step declared before has changed since it last started

restart_on_change() {
  local owed=$STATE/owed/$1 resource why=''
  WHAT="restart $1"
  case $MODE in
    list) printf '  %s if a file above changed\n' "$WHAT" ;;
    preflight | readers)
      for resource in ${STEP_RESOURCES[@]+"${STEP_RESOURCES[@]}"}; do printf '%s\t%s\n' "$1" "$resource"; done >>"$RUN/readers"
      if [[ $MODE == readers ]]; then return; fi
      need_command systemctl systemd
      if ! systemctl cat -- "$1" >/dev/null 2>&1; then refuse 69 "there is no unit $1 on this host" "install the service's package first, or correct openstack.platform in site.yaml"; fi
      if [[ $(unit_property "$1" LoadState) == masked ]] && restartable "$1"; then
        refuse 69 'it is masked, though it is not stopped: it could not be restarted' "systemctl unmask $1; or stop it, and it is left alone"
      fi
      ;;
    check)
      for resource in ${STEP_RESOURCES[@]+"${STEP_RESOURCES[@]}"}; do
        if grep -qsxF -- "$resource" "$RUN/would-change"; then why=$resource; fi
      done
      if [[ -e $owed ]]; then why='an earlier run'; fi
      if [[ -z $why ]]; then
        tell_read "$1"
      elif restartable "$1"; then
        report would-change "$WHAT"
      else
        report skipped "$WHAT: $STOPPED"
      fi
      ;;
    apply | rollback) if [[ -e $owed ]]; then restart "$1"; else tell_read "$1"; fi ;;
    verify) prove_restarted "$1" ;;
    *) wrong_start ;;
  esac
  WHAT=''
}

STOPPED='it is stopped, and reads its files when it is started'

restartable() { # UNIT: it runs or has crashed; one that was stopped on purpose is left to the person who stopped it
  [[ $(unit_property "$1" ActiveState) != inactive ]]
}

unit_property() { # UNIT PROPERTY
  local line
  line=$(systemctl show --property "$2" -- "$1")
  printf '%s\n' "${line#*=}"
}

restart() { # UNIT
  : >"$RUN/tried-$1"
  if restartable "$1"; then
    PATIENCE=300 attempt "restart it" systemctl restart -- "$1" # nova-compute reports ready only after minutes
    settled "$1"
    report changed "restart $1"
  else
    report skipped "restart $1: $STOPPED"
  fi
  rm -f -- "$STATE/owed/$1"
}

settled() { # UNIT: it is still up two seconds after its start; a service that dies of its configuration does so at once
  local state tries back='; to go back: ./apply --rollback'
  if [[ $MODE == rollback ]]; then back=''; fi
  for tries in 1 2 3 4; do
    sleep 0.5
    state=$(unit_property "$1" ActiveState)
    if [[ $state == failed || $state == activating && $tries -gt 3 ]]; then
      fail "it does not stay up ($state)" "look at: journalctl -u $1 -n 50$back"
    fi
  done
}

tell_read() { # UNIT, which no run owes a restart: what somebody else has changed since it started is said, and theirs to have read
  UNREAD=''
  if [[ $MODE != rollback ]] && systemctl is-active --quiet -- "$1"; then unread "$1"; fi
  if [[ $UNREAD == now ]]; then
    report skipped "restart $1: left alone, though $CHANGED has changed since it started, but not by this run"
    advise "systemctl restart $1"
  else
    report ok "$1 has read its files"
  fi
}

prove_restarted() { # UNIT: it started after the last change of what it reads
  if [[ -e $STATE/owed/$1 ]]; then fail 'a restart is owed' 'run ./apply'; fi
  if ! systemctl is-active --quiet -- "$1"; then
    report skipped "$1 is not running, so it cannot have old settings"
    return 0
  fi
  unread "$1"
  case $UNREAD in
    '') report ok "$1 runs, and started after its files last changed" ;;
    now) fail "it runs since before $CHANGED changed" "systemctl restart $1" ;;
    ahead)
      report skipped "$1 runs; whether it started after $CHANGED changed cannot be told, since that lies in the future"
      advise "the clock of this host is wrong, or was when the file changed: set it, and: systemctl restart $1"
      ;;
  esac
}

# UNIT, which runs: UNREAD is `now` if a file that it reads, CHANGED, changed after it started, `ahead` if that lies in the future, '' if
# none did. A file that is put back brings its old time with it, but not the time at which it took its place (ctime)
unread() {
  local since uptime now written placed
  UNREAD=''
  since=$(unit_property "$1" ActiveEnterTimestampMonotonic) # microseconds since boot
  read -r uptime _ </proc/uptime
  now=$(date +%s)
  since=$((now - ${uptime%.*} + since / 1000000 + 1))
  for CHANGED in ${STEP_RESOURCES[@]+"${STEP_RESOURCES[@]}"}; do
    read -r written placed < <(stat -Lc '%Y %Z' -- "$CHANGED")
    if ((written > now || placed > now)); then
      UNREAD=ahead
    elif ((written > since || placed > since)); then
      UNREAD=now
    fi
    if [[ -n $UNREAD ]]; then return 0; fi
  done
}
