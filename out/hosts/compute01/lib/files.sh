# shellcheck shell=bash
# Whole-file replacement. Sourced; defines functions only. Needs bash >= 4.2, coreutils, util-linux.
#
#   replace_file [--mode MODE] [--owner USER:GROUP] [--readers USER,…] [--size BYTES] TARGET < content
#
# TARGET becomes the bytes on standard input: at every instant it is the old file or the new one,
# whole. A symbolic link is followed. An existing file keeps owner, mode, ACL, extended attributes
# and SELinux context unless --owner or --mode say otherwise; a new file is 0600 unless they do.
# --readers makes these users, if any, and no others those that its ACL lets read (needs setfacl).
# --size refuses content of any other length: the writer of a pipe that was killed looks like the
# end of a shorter file, so give it whenever the content does not come from a regular file.
#
# Status 0 done; 64 misuse; 73 the new file cannot be made; 74 it cannot be written or put in place;
# 75 another process holds the folder. On failure the old file is whole, nothing is left beside it,
# and one message stands on standard error. Works with and without `set -e`, also in a condition.
replace_file() {
  local mode='' owner='' readers=. size='' target cause status
  while (($# > 1)); do
    case $1 in
      --mode) mode=$2 ;;
      --owner) owner=$2 ;;
      --readers) readers=$2 ;;
      --size) size=$2 ;;
      *) break ;;
    esac
    shift 2
  done
  if (($# != 1)) || [[ -z $1 || $1 == --* ]]; then
    printf 'replace_file: usage: replace_file [--mode M] [--owner U:G] [--readers U,…] [--size N] TARGET\n' >&2
    return 64
  fi
  target=$1
  if cause=$(_put_new_file "${target}" "${mode}" "${owner}" "${readers}" "${size}" 2>&1); then
    return 0
  else
    status=$?
  fi
  cause=${cause#"${BASH_SOURCE[0]}: line "*: } cause=${cause%%$'\n'*}
  printf 'replace_file: %s: not replaced: %s\n' "${target}" "${cause:-status ${status}}" >&2
  return "${status}"
}

# _put_new_file TARGET MODE OWNER READERS SIZE: the work of replace_file, in a subshell so that its traps,
# locks and open files end with it. Whatever its programs say is the cause that replace_file names.
_put_new_file() (
  local path=$1 mode=$2 owner=$3 readers=$4 size=$5
  local folder new lock out made existed before after written
  umask 077

  if [[ -L ${path} ]]; then
    # The dot keeps a newline at the end of a name, which $(…) would cut off.
    path=$(readlink -e -- "${path}" && printf .) || {
      printf 'it is a symbolic link to nothing' >&2
      exit 73
    }
    path=${path%$'\n.'}
  fi
  [[ ${path} == */* ]] || path=./${path}
  folder=${path%/*}/
  new=${folder}.${path##*/}.cephos-new
  if [[ ! -d ${folder} ]]; then
    printf 'the folder %s does not exist' "${folder}" >&2
    exit 73
  elif [[ -e ${path} && ! -f ${path} ]] || [[ ${path} == */ ]]; then
    printf 'it is not a regular file' >&2
    exit 73
  fi

  # One writer per folder at a time: the name of the new file is fixed, so that the next run can
  # clear what a killed one left. Only a timeout counts: NFS cannot lock a folder at all.
  exec {lock}<"${folder}" || exit 73
  flock --exclusive --timeout 60 "${lock}" || (($? != 1)) || {
    printf 'another process has held the folder for 60 s' >&2
    exit 75
  }

  # noclobber opens with O_EXCL, which follows no link that someone planted at this name. From here
  # on the open file is meant, not its name: nobody can exchange it under us.
  rm -f -- "${new}" || exit 73
  trap 'rm -f -- "${new}"' EXIT
  set -o noclobber
  exec {out}>"${new}" || exit 73
  made=/proc/self/fd/${out}

  # Who may read it is settled before the first byte is in it; chown first, as it clears mode bits.
  existed=
  if [[ -e ${path} ]]; then
    existed=1
    cp --attributes-only --preserve=all -- "${path}" "${made}" || exit 73
    before=$(stat -Lc %u:%g:%a -- "${path}") || exit 73
    after=$(stat -Lc %u:%g:%a -- "${made}") || exit 73
    if [[ ${before} != "${after}" ]]; then
      printf 'its owner and mode cannot be kept; run this as root' >&2
      exit 73
    fi
  fi
  if [[ ${readers} != . ]] && command -v setfacl >/dev/null; then
    setfacl --remove-all -- "${made}" || exit 73
  fi
  [[ -z ${owner} ]] || chown -- "${owner}" "${made}" || exit 73
  [[ -z ${mode} ]] || chmod -- "${mode}" "${made}" || exit 73
  [[ -z ${readers#.} ]] || setfacl --modify "u:${readers//,/:r,u:}:r" -- "${made}" || exit 73

  cat >&"${out}" || exit 74
  written=$(stat -Lc %s -- "${made}") || exit 74
  if [[ ${written} != "${size:-"${written}"}" ]]; then
    printf 'its new content is not the %s bytes that were announced' "${size}" >&2
    exit 74
  fi
  # coreutils before 8.24 sync everything instead of the named file: slower, as good.
  sync -- "${made}" || exit 74
  mv -fT -- "${new}" "${path}" || exit 74
  trap - EXIT
  # The file is in place and whole; a folder that cannot be synced is no reason to deny that.
  sync -- "${folder}" 2>/dev/null

  if [[ -z ${existed} && -e /sys/fs/selinux/enforce ]]; then
    restorecon -- "${path}" || exit 74
  fi
)
