# shellcheck shell=bash
# `apply --rollback`: every file that this site's bundles changed on this host becomes what it was before the first
# change, with owner, mode and attributes; the services that read it are restarted. Sourced by apply.
#
# Records under /var/lib/cephos/SITE, one folder tree each, named like the files themselves:
#   pristine/…  the file as it was        made/…     an empty mark: there was no such file
#   applied/…   sha256 as apply left it   readers/…  the units to restart
#   merged/…    what patch_ini merged     others/…   sha256 before somebody else changed it, and apply did again

rollback() {
  local changed_by_others='' worst=0
  touched_files >"$RUN/touched"
  : >"$RUN/refusals"
  while IFS= read -r WHAT; do
    need_place "$WHAT"
    need_folder "$WHAT"
  done <"$RUN/touched"
  stop_if_refused rollback
  while IFS= read -r WHAT; do
    if changed_since "$WHAT"; then
      report failed "$WHAT: somebody has changed it after apply did"
      changed_by_others=yes
    fi
  done <"$RUN/touched"
  if [[ -n $changed_by_others && -z $FORCE ]]; then
    stop 1 'rollback: nothing has been changed' "save those changes, then: ./apply --rollback --force"
  fi
  while IFS= read -r WHAT; do put_back "$WHAT"; done <"$RUN/touched"
  WHAT=''
  # each apart, since a service that does not start ends what starts it, but not this
  (run_steps rollback) || worst=$?
  restart_the_rest
  if [[ -d $STATE ]]; then find "$STATE" -type f -name '.*.cephos-new' -delete; fi # left by a run that was killed
  name_owed "once they start, for all of them: ./apply --rollback"
  if ((worst)); then exit "$worst"; fi
}

need_folder() { # FILE: there is where to put it back; one that was not there before needs none
  local folder=${1%/*}
  if [[ -e $STATE/pristine$1 && ! -d $folder ]]; then
    refuse 69 "its folder $folder is gone, so it cannot be put back" 'move the folder back, or make it as it was, with its owner'
  fi
}

put_back() { # FILE: the restart is owed first, the record goes last, so a kill in between loses neither
  local unit pristine=$STATE/pristine$1 target new
  if [[ -e $STATE/readers$1 ]]; then
    mkdir -p "$STATE/owed"
    while IFS= read -r unit; do
      : >"$STATE/owed/$unit"
      sync_path "$STATE/owed/$unit"
    done <"$STATE/readers$1"
  fi
  target=$(readlink -m -- "$1")
  new=$(new_beside "$1")
  rm -f -- "$new" # an apply that was killed may have left it, with a key in it
  if [[ -e $pristine ]]; then
    attempt 'write it as it was' cp -a -- "$pristine" "$new"
    sync_path "$new"
    attempt 'put it back' mv -fT -- "$new" "$target"
    report changed "$1: as it was before"
  else
    attempt 'remove it' rm -f -- "$1"
    report changed "$1: removed, as it was not there before"
  fi
  rm -f -- "$STATE/applied$1" "$STATE/others$1" "$STATE/merged$1" "$STATE/readers$1" "$STATE/made$1" "$pristine"
}

restart_the_rest() { # units that a step did not come to, or that only an earlier bundle of this site names; sets worst
  local unit
  for unit in "$STATE"/owed/*; do
    unit=${unit##*/}
    if [[ ! -e $STATE/owed/$unit || -e $RUN/tried-$unit ]]; then continue; fi
    WHAT="restart $unit"
    (restart "$unit") || worst=$?
  done
  WHAT=''
}
