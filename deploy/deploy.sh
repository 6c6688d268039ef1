#!/usr/bin/env bash
# Deploys rcshook to Cloud Run functions with gcloud: deploy/deploy.sh --help
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/deploy.sh [--dry-run] [options]

Deploys this folder as a function, with a service account of its own that can read
its secrets and nothing else. Run it again at any time: what is there stays.
Every command is printed before it runs; --dry-run prints them only, as if nothing
were there yet, and needs neither gcloud nor an account.

  --project ID          default: that of gcloud config
  --region REGION       default: run/region of gcloud config, or us-central1
  --name NAME           of the function, and the beginning of other names; default: rcshook
  --agent-id-file FILE  holds the agent ID; without it you are asked
  --key-file FILE       the service-account key of the RCS for Business console;
                        without it you are asked for the path
  --api-keys-file FILE  the keys of callers, one per line; without it one is made
  --access keys|iam     keys (default): a public address where rcshook checks keys and
                        signatures; iam: Cloud Run lets only the invokers through
  --invoker MEMBER      with --access iam: who may call, as serviceAccount:NAME@...;
                        may be repeated
  --queue               messages go through a queue of Cloud Tasks, NAME, which is made with
                        50 messages a second; change it with gcloud tasks queues update
  --rcs-region REGION   us, europe or asia: that of the agent; default: the global host
  --set NAME=VALUE      another setting, as RCSHOOK_COUNTRY=US; may be repeated
  --concurrency N       requests that one instance takes at once; default: 250
  --min-instances N     default: 0; 1 spares the first message the start
  --max-instances N     default: 10

Files fill secrets that are empty; one that has a version is left alone. A file
rcshook.yaml in the folder of go.mod is deployed as well, and the function may then
read the secrets that it names.
END
}

die() {
  printf 'deploy.sh: %s\n' "$*" >&2
  exit 1
}

misuse() {
  printf 'deploy.sh: %s\nSee deploy/deploy.sh --help\n' "$*" >&2
  exit 2
}

# run prints a command, and runs it unless this is a rehearsal.
run() {
  show "$@"
  [ -n "$dry" ] || "$@"
}

show() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
}

# hear runs a command, and keeps what it prints in $said, and what it says besides in
# $words.
hear() {
  local file status=0
  file=$(mktemp) || die 'no temporary file can be made'
  said=$("$@" 2>"$file") || status=$?
  words=$(cat "$file")
  rm -f "$file"
  return "$status"
}

# absent tells whether gcloud failed with $words since something is not there, or its API
# is not enabled yet. A PERMISSION_DENIED says "or it may not exist" of anything.
absent() {
  grep -Eq 'SERVICE_DISABLED|has not been used in project|not enabled on project' <<<"$words" && return
  grep -Eq 'NOT_FOUND|[Nn]ot found|could not be found|[Cc]annot find|does not exist|HTTPError 404' <<<"$words" &&
    ! grep -q 'PERMISSION_DENIED' <<<"$words"
}

# there tells whether something exists, by a command that describes it, and keeps in
# $said what that prints. If gcloud cannot tell, this is the end. In a rehearsal nothing
# exists.
there() {
  local words='' status=0
  show "$@"
  said=''
  [ -z "$dry" ] || return 1
  hear "$@" || status=$?
  [ "$status" != 0 ] || return 0
  [ "$status" -lt 126 ] && absent && return 1 # above, gcloud itself did not run
  printf '%s\n' "$words" >&2
  die 'gcloud failed; its words are above'
}

# bind runs a command a few times: a new service account is not known everywhere at once.
bind() {
  local try
  show "$@"
  [ -z "$dry" ] || return 0
  for try in 1 2 3 4 5 6; do
    "$@" --quiet >/dev/null && return 0
    [ "$try" = 6 ] || sleep "${RETRY_SECONDS:-5}"
  done
  die 'gcloud refused six times; its words are above'
}

# setting reads a property of gcloud config.
setting() {
  local said='' words=''
  command -v gcloud >/dev/null || return 0
  if ! hear gcloud config get-value "$1"; then
    printf '%s\n' "$words" >&2
    [ -n "$dry" ] || die "gcloud cannot tell the setting $1; its words are above"
  fi
  printf '%s' "$said"
}

options() {
  dry='' queue='' project='' region='' name=rcshook access=keys rcs_region=''
  agent_id_file='' key_file='' api_keys_file=''
  concurrency=250 min_instances=0 max_instances=10
  invokers=() settings=()
  while [ $# -gt 0 ]; do
    local option=$1
    shift
    case $option in
    --dry-run) dry=yes && continue ;;
    --queue) queue=yes && continue ;;
    --help | -h) usage && exit 0 ;;
    --*=*) set -- "${option#*=}" "$@" && option=${option%%=*} ;;
    esac
    local missing=''
    [ $# -gt 0 ] || { missing=$option && set -- ''; }
    case $option in
    --project) project=$1 ;;
    --region) region=$1 ;;
    --name) name=$1 ;;
    --agent-id-file) agent_id_file=$1 ;;
    --key-file) key_file=$1 ;;
    --api-keys-file) api_keys_file=$1 ;;
    --access) access=$1 ;;
    --invoker) invokers+=("$1") ;;
    --rcs-region) rcs_region=$1 ;;
    --set) settings+=("$1") ;;
    --concurrency) concurrency=$1 ;;
    --min-instances) min_instances=$1 ;;
    --max-instances) max_instances=$1 ;;
    *) misuse "unknown option $option" ;;
    esac
    [ -z "$missing" ] || misuse "$missing needs a value"
    shift
  done
}

check_options() {
  local value file
  [ -n "$dry" ] || command -v gcloud >/dev/null || die 'gcloud is not installed: https://cloud.google.com/sdk/docs/install'
  [ -n "$project" ] || project=$(setting project)
  [ -n "$project" ] || misuse 'which project? Use --project ID, or: gcloud config set project ID'
  [ -n "$region" ] || region=$(setting run/region)
  [ -n "$region" ] || region=us-central1
  [[ $project =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] || misuse '--project is the ID of a project, not its number or name'
  [[ $name =~ ^[a-z][a-z0-9-]{2,22}[a-z0-9]$ ]] || misuse '--name has 4 to 24 lower case letters, digits and hyphens'
  [[ $access =~ ^(keys|iam)$ ]] || misuse '--access is keys or iam'
  [[ $rcs_region =~ ^(us|europe|asia|)$ ]] || misuse '--rcs-region is us, europe or asia'
  [ "$access" = iam ] || [ ${#invokers[@]} = 0 ] || misuse '--invoker goes with --access iam: with keys the address is public'
  for value in ${invokers[@]+"${invokers[@]}"}; do
    [[ $value =~ ^all(Users|AuthenticatedUsers)$ ]] && misuse '--access iam checks no key, so it is not for everybody: use --access keys'
    [[ $value == *:* ]] || misuse '--invoker is as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com'
  done
  for value in ${settings[@]+"${settings[@]}"}; do
    [[ $value =~ ^RCSHOOK_(COUNTRY|TRAFFIC|TTL|TIMEOUT|MESSAGES_PER_SECOND)=[^,]*$ ]] || misuse '--set takes RCSHOOK_COUNTRY, RCSHOOK_TRAFFIC, RCSHOOK_TTL, RCSHOOK_TIMEOUT or RCSHOOK_MESSAGES_PER_SECOND, each =VALUE; the others have options'
  done
  for value in "$concurrency" "$min_instances" "$max_instances"; do
    [[ $value =~ ^[0-9]+$ ]] || misuse '--concurrency, --min-instances and --max-instances are numbers'
  done
  for file in "$agent_id_file" "$key_file" "$api_keys_file"; do
    [ -z "$file" ] || [ -r "$file" ] || die "$file cannot be read"
  done
  [ -z "$agent_id_file" ] || check_agent_id <"$agent_id_file"
  [ -z "$key_file" ] || check_key "$key_file"
}

check_agent_id() {
  grep -q '[^[:space:]]' && return
  die 'the file of the agent ID is empty'
}

check_key() {
  [ -r "$1" ] || die "$1 cannot be read"
  grep -Eq '"type"[[:space:]]*:[[:space:]]*"service_account"' "$1" ||
    die "$1 is not the key of a service account: download it in the RCS for Business console, or see whether it is swapped with another file"
}

# empty tells whether a secret has nothing in it yet.
empty() {
  there gcloud secrets versions list "$1" --project="$project" --filter=state=enabled --limit=1 '--format=value(name)' || return 0
  [ -z "$said" ]
}

# ask asks for what is missing, before anything is changed.
ask() {
  agent_id='' api_key='' fill=()
  if empty "$name-agent-id"; then
    fill+=(agent-id)
    if [ -z "$agent_id_file$dry" ]; then
      read -rp 'Agent ID, from the RCS for Business console: ' agent_id || die 'no agent ID: use --agent-id-file'
      check_agent_id <<<"$agent_id"
    fi
  fi
  if empty "$name-credentials"; then
    fill+=(credentials)
    [ -z "$dry" ] || key_file=${key_file:-KEY.json}
    if [ -z "$key_file" ]; then
      read -rp 'Path of the service-account key (JSON) from the RCS for Business console: ' key_file || die 'no key: use --key-file'
      check_key "$key_file"
    fi
  fi
  [ "$access" = keys ] || return 0
  if empty "$name-api-keys"; then
    fill+=(api-keys)
    [ -n "$api_keys_file$dry" ] || api_key=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
  fi
}

account() {
  there gcloud iam service-accounts describe "$1@$project.iam.gserviceaccount.com" --project="$project" ||
    run gcloud iam service-accounts create "$1" --project="$project" --display-name="$2"
}

# store puts the value into a secret that is empty: from a file, or through a pipe.
# It never stands on a command line, where other programs could read it.
store() {
  local secret=$1 file=$2 value=$3
  if [ -n "$file" ]; then
    run gcloud secrets versions add "$secret" --project="$project" --data-file="$file"
    return
  fi
  show gcloud secrets versions add "$secret" --project="$project" --data-file=-
  [ -n "$dry" ] || printf '%s' "$value" | gcloud secrets versions add "$secret" --project="$project" --data-file=-
}

secrets() {
  local part secret
  for part in agent-id credentials api-keys; do
    [ "$part" = api-keys ] && [ "$access" = iam ] && continue
    secret=$name-$part
    there gcloud secrets describe "$secret" --project="$project" ||
      run gcloud secrets create "$secret" --project="$project" --replication-policy=automatic
    case " ${fill[*]-} " in
    *" $part "*)
      case $part in
      agent-id) store "$secret" "$agent_id_file" "$agent_id" ;;
      credentials) store "$secret" "$key_file" '' ;;
      api-keys) store "$secret" "$api_keys_file" "$api_key" ;;
      esac
      ;;
    esac
    grant "$secret" "$project"
  done
}

# line makes the queue, and lets the function hand tasks to it that carry the tokens
# of an account of their own.
line() {
  local number queuer=$name-queue@$project.iam.gserviceaccount.com where=(--location="$region" --project="$project")
  [ -n "$queue" ] || return 0
  account "$name-queue" "Tasks of $name"
  there gcloud tasks queues describe "$name" "${where[@]}" ||
    run gcloud tasks queues create "$name" "${where[@]}" --max-dispatches-per-second=50 --max-concurrent-dispatches="$concurrency" \
      --max-attempts=20 --max-retry-duration=86400s --min-backoff=2s --max-backoff=300s
  bind gcloud tasks queues add-iam-policy-binding "$name" "${where[@]}" \
    --member="serviceAccount:$runner" --role=roles/cloudtasks.enqueuer
  bind gcloud iam service-accounts add-iam-policy-binding "$queuer" --project="$project" \
    --member="serviceAccount:$runner" --role=roles/iam.serviceAccountUser
  show gcloud projects describe "$project" '--format=value(projectNumber)'
  number=NUMBER
  [ -n "$dry" ] || number=$(gcloud projects describe "$project" '--format=value(projectNumber)')
  address=https://$name-$number.$region.run.app
  settings+=("RCSHOOK_QUEUE=projects/$project/locations/$region/queues/$name" "RCSHOOK_QUEUE_ACCOUNT=$queuer" "RCSHOOK_URL=$address")
  [ "$access" = keys ] || invokers+=("serviceAccount:$queuer")
}

grant() {
  bind gcloud secrets add-iam-policy-binding "$1" --project="$2" \
    --member="serviceAccount:$runner" --role=roles/secretmanager.secretAccessor
}

# named grants the secrets that rcshook.yaml names.
named() {
  local resource
  [ -f "$root/rcshook.yaml" ] || return 0
  settings+=(RCSHOOK_CONFIG=rcshook.yaml)
  while IFS=/ read -r _ resource _ secret; do
    grant "$secret" "$resource"
  done < <(grep -v '^[[:space:]]*#' "$root/rcshook.yaml" | grep -Eo 'projects/[a-z0-9.:-]+/secrets/[A-Za-z0-9_-]+' | sort -u)
}

environment() {
  local at=projects/$project/secrets/$name
  settings+=("RCSHOOK_AGENT_ID=$at-agent-id" "RCSHOOK_CREDENTIALS=$at-credentials")
  case $access in
  keys) settings+=("RCSHOOK_API_KEYS=$at-api-keys") ;;
  iam) settings+=(RCSHOOK_ALLOW_UNAUTHENTICATED=true) ;;
  esac
  settings+=("GOOGLE_CLOUD_PROJECT=$project") # whose traces the log lines join
  settings+=(GOMEMLIMIT=200MiB)               # of --memory: from there on Go tidies up more often
  [ -z "$rcs_region" ] || settings+=("RCSHOOK_REGION=$rcs_region")
}

# version is that of the source: its tag, or how far it is from one.
version() {
  local described=devel
  [ ! -e "$root/.git" ] || described=$(git -C "$root" describe --tags --always --dirty 2>/dev/null) || described=devel
  printf '%s' "${described//[^A-Za-z0-9._-]/}"
}

# close takes the public address away from a function that was deployed with keys,
# before its new settings leave the callers to Cloud Run.
close() {
  there gcloud run services get-iam-policy "$name" --project="$project" --region="$region" --format=json || return 0
  [[ $said == *allUsers* ]] || return 0
  run gcloud run services remove-iam-policy-binding "$name" --project="$project" --region="$region" \
    --member=allUsers --role=roles/run.invoker
}

deploy() {
  local public=--allow-unauthenticated member version more=() IFS=,
  version=$(version)
  [ -z "$queue" ] || more=(--add-custom-audiences="$address")
  if [ "$access" = iam ]; then
    close
    public=--no-allow-unauthenticated
  fi
  run gcloud run deploy "$name" --project="$project" --region="$region" \
    --source="$root" --function=Send --base-image=go126 --automatic-updates \
    --service-account="$runner" --build-service-account="projects/$project/serviceAccounts/$builder" \
    --set-build-env-vars="GOOGLE_GOLDFLAGS=-s -w -X github.com/rcshook/rcshook.release=$version" --set-env-vars="${settings[*]}" \
    --cpu=1 --memory=256Mi --cpu-boost --concurrency="$concurrency" \
    --min-instances="$min_instances" --max-instances="$max_instances" --timeout=60 "$public" ${more[@]+"${more[@]}"} --quiet
  for member in ${invokers[@]+"${invokers[@]}"}; do
    bind gcloud run services add-iam-policy-binding "$name" --project="$project" --region="$region" \
      --member="$member" --role=roles/run.invoker
  done
}

# farewell tells how to see that it works.
farewell() {
  local url key
  show gcloud run services describe "$name" --project="$project" --region="$region" '--format=value(status.url)'
  if [ -n "$dry" ]; then
    url=https://ADDRESS
  else
    url=$(gcloud run services describe "$name" --project="$project" --region="$region" '--format=value(status.url)')
  fi
  # shellcheck disable=SC2016 # the reader's shell expands it
  key='$(gcloud auth print-identity-token)'
  [ "$access" = iam ] || key="\$(gcloud secrets versions access latest --secret=$name-api-keys --project=$project | head -n 1)"
  cat <<END

rcshook is at $url

This checks everything and sends nothing:

  curl $url/ -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \\
    -d '{"to": "+12025550123", "text": "Hello", "dry_run": true}'
END
  [ -z "$dry" ] || printf '\nThis was a rehearsal: nothing was done.\n'
}

main() {
  options "$@"
  check_options
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  runner=$name-run@$project.iam.gserviceaccount.com
  builder=$name-build@$project.iam.gserviceaccount.com

  ask
  run gcloud services enable run.googleapis.com cloudbuild.googleapis.com artifactregistry.googleapis.com \
    secretmanager.googleapis.com ${queue:+cloudtasks.googleapis.com} --project="$project"
  account "$name-run" "Runs $name"
  account "$name-build" "Builds $name"
  bind gcloud projects add-iam-policy-binding "$project" --member="serviceAccount:$builder" \
    --role=roles/run.builder --condition=None
  secrets
  named
  line
  environment
  deploy
  farewell
}

main "$@"
