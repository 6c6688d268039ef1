#!/usr/bin/env bash
# Deploys rcshook to Cloud Run functions with gcloud: deploy/deploy.sh --help
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/deploy.sh [--dry-run] [options]
       deploy/deploy.sh --rotate-key [finish] [--caller NAME] [--dry-run] [--yes]
       deploy/deploy.sh --delete [--with-secrets] [--with-opt-outs] [--dry-run] [--yes]

Deploys this folder as a function. It creates a service account that can read the
secrets of the function, add tasks to its queues, delete tasks of messages, read and
write opt-outs in its buckets, publish to the topics of rcshook.yaml, and nothing else. Run it again at any
time: it keeps everything that exists already.

The script prints every command before it runs it. With --dry-run it only prints
the commands of a first deployment, and needs neither gcloud nor an account.

  --project ID          default: the project of gcloud config
  --region REGION       default: run/region of gcloud config, or us-central1
  --name NAME           the name of the function, and the prefix of other names;
                        default: rcshook
  --agent-id-file FILE  contains the agent ID; without it the script asks
  --key-file FILE       the service-account key of the RCS for Business console;
                        without it the script asks for the path
  --api-keys-file FILE  the API keys of callers, one per line; without it the script
                        creates a key
  --caller NAME         create a key for a caller of rcshook.yaml, in the secret
                        NAME-OF-FUNCTION-caller-NAME; may be repeated
  --access keys|iam     keys (default): a public URL, where rcshook checks keys and
                        signatures; iam: Cloud Run accepts only the invokers
  --invoker MEMBER      with --access iam: an allowed caller, such as
                        serviceAccount:NAME@...; may be repeated
  --queue               create a Cloud Tasks queue with the name NAME, and send messages
                        through it, 50 per second; to change the rate, use
                        gcloud tasks queues update
  --events              receive the events of RCS for Business: create the client token
                        of the webhook, a queue with the name NAME-events that delivers
                        events to the targets of rcshook.yaml, and a private bucket that
                        keeps who opted out, PROJECT-NAME-optouts, with the key of its
                        object names
  --no-opt-out          with --events, create no bucket and no key, and use none
  --events-url URL      with --events, another target: its https address, or the secret
                        that contains it, projects/PROJECT/secrets/SECRET; the script
                        creates the key that signs the requests to it
  --rcs-region REGION   the region of the agent: us, europe or asia; default: the
                        global host
  --set NAME=VALUE      another setting, such as RCSHOOK_COUNTRY=US; may be repeated
  --concurrency N       the requests that one instance handles at once; default: 250
  --min-instances N     default: 0; with 1 the first message does not wait for a start
  --max-instances N     default: 10

  --replace-settings    remove the settings of an earlier deployment that the options leave
                        out; without it, the script stops and lists them

The files are stored only in secrets that are empty; a secret with a version is not
changed. The settings of the function are replaced, so repeat the other options.
If there is a rcshook.yaml in the folder of go.mod, it is deployed too, and the function
can use the secrets, topics and buckets that it names. The script checks the file with
these options first, with Go, and creates the secrets of the file, without a value. If the
file describes the agent default, the script does not ask for its ID and key.

  --rotate-key          add a new API key in front of the old one, or of that of --caller
                        NAME; the function accepts both
  --rotate-key finish   keep only the new key, when all callers use it
  --delete              delete the function, its queues with their messages, its accounts
                        and its exclusion of the request log
  --with-secrets        with --delete, delete also the secrets that the script filled, without
                        the key of the opt-outs; other secrets of rcshook.yaml stay
  --with-opt-outs       with --delete, delete also the bucket of people who opted out, and
                        its key, without which the records are useless
  --yes                 do not ask before --delete and --rotate-key finish
END
}

die() {
  printf 'deploy.sh: %s\n' "$*" >&2
  exit 1
}

usage_error() {
  printf 'deploy.sh: %s\nSee deploy/deploy.sh --help\n' "$*" >&2
  exit 2
}

# run prints a command, and runs it except in a dry run.
run() {
  show "$@"
  [ -n "$dry" ] || "$@"
}

show() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
}

# capture runs a command and sets stdout and stderr to its output.
capture() {
  local status=0
  stdout=$("$@" 2>"$errors") || status=$?
  stderr=$(<"$errors")
  return "$status"
}

# is_missing reports whether $stderr of gcloud means that a resource does not exist, or
# that its API is not enabled yet. PERMISSION_DENIED always adds "or it may not exist".
is_missing() {
  [[ $stderr =~ SERVICE_DISABLED|'has not been used in project'|'not enabled on project' ]] && return
  [[ $stderr =~ NOT_FOUND|[Nn]ot\ found|'could not be found'|[Cc]annot\ find|'does not exist'|'HTTPError 404' ]] &&
    [[ $stderr != *PERMISSION_DENIED* ]]
}

# exists reports whether a command that describes a resource finds it, and sets stdout. It
# exits if gcloud fails for another reason. In a dry run no resource exists.
exists() {
  local stderr='' status=0
  show "$@"
  stdout=''
  [ -z "$dry" ] || return 1
  capture "$@" || status=$?
  [ "$status" != 0 ] || return 0
  [ "$status" -lt 126 ] && is_missing && return 1 # from 126 on, gcloud did not run
  printf '%s\n' "$stderr" >&2
  die 'gcloud failed; see its error above'
}

# bind retries a command, because a new service account is not visible everywhere at once.
bind() {
  local try
  show "$@"
  [ -z "$dry" ] || return 0
  for try in 1 2 3 4 5 6; do
    "$@" --quiet >/dev/null && return 0
    [ "$try" = 6 ] || sleep "${RETRY_SECONDS:-5}"
  done
  die 'gcloud failed six times; see its error above'
}

# setting prints a property of gcloud config.
setting() {
  local stdout='' stderr=''
  command -v gcloud >/dev/null || return 0
  if ! capture gcloud config get-value "$1"; then
    printf '%s\n' "$stderr" >&2
    [ -n "$dry" ] || die "cannot read $1 of gcloud config; see the error above"
  fi
  printf '%s' "$stdout"
}

options() {
  dry='' action=deploy yes='' replace_settings='' with_secrets='' with_opt_outs='' queue='' events='' events_url='' opt_out=yes project='' region='' name=rcshook access=keys rcs_region=''
  agent_id_file='' key_file='' api_keys_file=''
  concurrency=250 min_instances=0 max_instances=10
  invokers=() settings=() callers=() keys=()
  while [ $# -gt 0 ]; do
    local option=$1
    shift
    case $option in
    --dry-run) dry=yes && continue ;;
    --queue) queue=yes && continue ;;
    --events) events=yes && continue ;;
    --no-opt-out) opt_out='' && continue ;;
    --delete) action=delete && continue ;;
    --with-secrets) with_secrets=yes && continue ;;
    --with-opt-outs) with_opt_outs=yes && continue ;;
    --yes) yes=yes && continue ;;
    --replace-settings) replace_settings=yes && continue ;;
    --rotate-key)
      action=rotate
      [ "${1-}" != finish ] || { action=finish && shift; }
      continue
      ;;
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
    --caller) callers+=("$1") ;;
    --access) access=$1 ;;
    --events-url) events_url=$1 ;;
    --invoker) invokers+=("$1") ;;
    --rcs-region) rcs_region=$1 ;;
    --set) settings+=("$1") ;;
    --concurrency) concurrency=$1 ;;
    --min-instances) min_instances=$1 ;;
    --max-instances) max_instances=$1 ;;
    *) usage_error "unknown option $option" ;;
    esac
    [ -z "$missing" ] || usage_error "$missing needs a value"
    shift
  done
}

check_options() {
  local value file
  [ -n "$dry" ] || command -v gcloud >/dev/null || die 'gcloud is not installed; see https://cloud.google.com/sdk/docs/install'
  [ -n "$project" ] || project=$(setting project)
  [ -n "$project" ] || usage_error 'missing project; use --project ID, or: gcloud config set project ID'
  [ -n "$region" ] || region=$(setting run/region)
  [ -n "$region" ] || region=us-central1
  [[ $project =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] || usage_error '--project must be a project ID, not a number or a name'
  [[ $name =~ ^[a-z][a-z0-9-]{2,22}[a-z0-9]$ ]] || usage_error '--name must have 4 to 24 lower-case letters, digits and hyphens'
  [[ $region =~ ^[a-z]+-[a-z]+[0-9]+$ ]] || usage_error '--region must be a region of Google Cloud, such as us-central1'
  [[ $access =~ ^(keys|iam)$ ]] || usage_error '--access must be keys or iam'
  [[ $rcs_region =~ ^(us|europe|asia|)$ ]] || usage_error '--rcs-region must be us, europe or asia'
  [ "$access" = iam ] || [ ${#invokers[@]} = 0 ] || usage_error '--invoker needs --access iam: with keys, the URL is public'
  [ "$access" = keys ] || [ -z "$events" ] || usage_error '--events needs --access keys: RCS for Business cannot pass Cloud Run IAM'
  [ -n "$events" ] || [ -z "$events_url" ] || usage_error '--events-url needs --events'
  [ -n "$events" ] || [ -n "$opt_out" ] || usage_error '--no-opt-out needs --events'
  [ -n "$events" ] || opt_out=''
  [ "$action" = delete ] || [ -z "$with_secrets$with_opt_outs" ] || usage_error '--with-secrets and --with-opt-outs need --delete'
  [[ $events_url =~ ^(https://[^/@,#[:space:]]+(/[^,#[:space:]]*)?|projects/[^/,]+/secrets/[A-Za-z0-9_-]+|)$ ]] ||
    usage_error '--events-url must be an https:// address without a comma, or a secret, projects/PROJECT/secrets/SECRET'
  for value in ${invokers[@]+"${invokers[@]}"}; do
    [[ $value =~ ^all(Users|AuthenticatedUsers)$ ]] && usage_error 'a public function must check keys; use --access keys'
    [[ $value == *:* ]] || usage_error '--invoker must be a member such as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com'
  done
  [ "$access" = keys ] || [ ${#callers[@]} = 0 ] || usage_error '--caller needs --access keys: with iam, rcshook checks no keys'
  for value in ${callers[@]+"${callers[@]}"}; do
    [[ $value =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$ ]] || usage_error '--caller must be a name under callers in rcshook.yaml: at most 64 letters, digits, - and _'
  done
  for value in ${settings[@]+"${settings[@]}"}; do
    [[ $value =~ ^RCSHOOK_(COUNTRY|TRAFFIC|TTL|TIMEOUT|MESSAGES_PER_SECOND|ALLOW_PREMIUM_NUMBERS)=[^,]*$ ]] || usage_error '--set must be NAME=VALUE, where NAME is RCSHOOK_COUNTRY, RCSHOOK_TRAFFIC, RCSHOOK_TTL, RCSHOOK_TIMEOUT, RCSHOOK_MESSAGES_PER_SECOND or RCSHOOK_ALLOW_PREMIUM_NUMBERS; other settings have their own options'
  done
  for value in "$concurrency" "$min_instances" "$max_instances"; do
    [[ $value =~ ^[0-9]+$ ]] || usage_error '--concurrency, --min-instances and --max-instances must be numbers'
  done
  for file in "$agent_id_file" "$key_file" "$api_keys_file"; do
    [ -z "$file" ] || [ -r "$file" ] || die "cannot read $file"
  done
  [ "$access" = iam ] || keys+=(api-keys)
  [ -z "$events" ] || keys+=(webhook-token)
  [ -z "$opt_out" ] || keys+=(opt-out-key)
  [ -z "$events_url" ] || keys+=(events-secret)
  for value in ${callers[@]+"${callers[@]}"}; do
    keys+=("caller-$value")
  done
  [ -z "$agent_id_file" ] || check_agent_id <"$agent_id_file"
  [ -z "$key_file" ] || check_key "$key_file"
}

check_agent_id() {
  local id
  id=$(grep '[^[:space:]]') || die 'the agent ID is empty'
  [[ $id =~ ^[[:space:]]*[^[:space:]]+[[:space:]]*$ ]] || die 'the agent ID must be one word'
}

check_key() {
  [ -r "$1" ] || die "cannot read $1"
  grep -Eq '"type"[[:space:]]*:[[:space:]]*"service_account"' "$1" ||
    die "$1 is not a service-account key; download the key in the RCS for Business console"
}

# empty reports whether a secret has no version yet.
empty() {
  exists gcloud secrets versions list "$1" --project="$project" --filter=state=enabled --limit=1 '--format=value(name)' || return 0
  [ -z "$stdout" ]
}

# ask asks for missing values before the script changes anything.
ask() {
  local part
  agent_id='' fill=()
  for part in ${keys[@]+"${keys[@]}"}; do
    empty "$name-$part" || continue
    fill+=("$part")
    case $part in
    agent-id)
      [ -z "$agent_id_file$dry" ] || continue
      while read -rp 'Agent ID, from the RCS for Business console: ' agent_id || die 'missing agent ID; use --agent-id-file'; do
        ! (check_agent_id <<<"$agent_id") || break
      done
      ;;
    credentials)
      [ -z "$dry" ] || key_file=${key_file:-KEY.json}
      [ -z "$key_file" ] || continue
      while read -rp 'Path of the service-account key (JSON) from the RCS for Business console: ' key_file || die 'missing key; use --key-file'; do
        [[ $key_file != \~/* ]] || key_file=$HOME/${key_file:2}
        ! (check_key "$key_file") || break
      done
      ;;
    esac
  done
}

account() {
  exists gcloud iam service-accounts describe "$1@$project.iam.gserviceaccount.com" --project="$project" ||
    run gcloud iam service-accounts create "$1" --project="$project" --display-name="$2"
}

# store adds the first version of a secret, from a file or through a pipe. The value is
# never on a command line, where other programs could read it.
store() {
  local secret=$1 file=$2 value=$3
  if [ -n "$file" ]; then
    run gcloud secrets versions add "$secret" --project="$project" --data-file="$file"
    return
  fi
  show gcloud secrets versions add "$secret" --project="$project" --data-file=-
  [ -n "$dry" ] || printf '%s' "$value" | gcloud secrets versions add "$secret" --project="$project" --data-file=-
}

# create_secret creates a secret without a value, with more options of gcloud.
create_secret() {
  local secret=$1
  shift
  exists gcloud secrets describe "$secret" --project="$project" ||
    run gcloud secrets create "$secret" --project="$project" --replication-policy=automatic "$@"
}

# new_key sets random to 256 random bits, and key to the same in letters for URLs.
new_key() {
  random=$(head -c 32 /dev/urandom | base64 | tr -d '\n')
  key=$(tr '+/' '-_' <<<"${random%=}")
}

secrets() {
  local part secret random key
  for part in ${keys[@]+"${keys[@]}"}; do
    secret=$name-$part
    create_secret "$secret" --labels="rcshook=$name" # --delete finds it by its label
    case " ${fill[*]-} " in
    *" $part "*)
      new_key
      case $part in
      agent-id) store "$secret" "$agent_id_file" "$agent_id" ;;
      credentials) store "$secret" "$key_file" '' ;;
      api-keys) store "$secret" "$api_keys_file" "$key" ;;
      webhook-token | opt-out-key | caller-*) store "$secret" '' "$key" ;;
      events-secret) store "$secret" '' "whsec_$random" ;;
      esac
      ;;
    esac
    grant "$secret" "$project"
  done
}

# print_callers prints how to read the keys of the callers, and what rcshook.yaml lacks.
print_callers() {
  local caller secret
  for caller in ${callers[@]+"${callers[@]}"}; do
    secret=projects/$project/secrets/$name-caller-$caller
    printf '\nThe key of the caller %s:\n\n  gcloud secrets versions access latest --secret=%s --project=%s | head -n 1\n' "$caller" "${secret##*/}" "$project"
    names "$secret" ||
      printf '\nAdd the caller to rcshook.yaml, with its limits, and deploy again:\n\n  callers:\n    %s: {key: %s}\n' "$caller" "$secret"
  done
}

# create_queues creates the queues. The function may add tasks to them, which carry tokens
# of a service account of their own.
create_queues() {
  [ -n "$queue$events" ] || return 0
  account "$name-queue" "Tasks of $name"
  bind gcloud iam service-accounts add-iam-policy-binding "$queuer" --project="$project" \
    --member="serviceAccount:$runner" --role=roles/iam.serviceAccountUser
  if [ -n "$queue" ]; then
    create_queue "$name" --max-dispatches-per-second=50 \
      --max-attempts=20 --max-retry-duration=86400s --min-backoff=2s --max-backoff=300s
    # A message that is delivered or revoked leaves tasks behind.
    grant_queue "$name" roles/cloudtasks.taskDeleter
  fi
  if [ -n "$events" ]; then
    # The function itself gives up an event after 7 days, and reports it. The queue keeps it longer.
    create_queue "$name-events" --max-dispatches-per-second=200 \
      --max-attempts=-1 --max-retry-duration=691200s --min-backoff=5s --max-backoff=3600s
  fi
}

# create_queue creates a queue with the options of gcloud.
create_queue() {
  local id=$1 where=(--location="$region" --project="$project")
  shift
  exists gcloud tasks queues describe "$id" "${where[@]}" ||
    run gcloud tasks queues create "$id" "${where[@]}" --max-concurrent-dispatches="$concurrency" "$@"
  grant_queue "$id" roles/cloudtasks.enqueuer
}

grant_queue() {
  bind gcloud tasks queues add-iam-policy-binding "$1" --location="$region" --project="$project" \
    --member="serviceAccount:$runner" --role="$2"
}

# create_bucket creates the private bucket of the opt-outs. Without soft delete, a mistake
# could make the function forget who opted out. The list contains only buckets of the
# project, because a stranger's bucket can have the name.
create_bucket() {
  [ -n "$opt_out" ] || return 0
  exists gcloud storage buckets list --project="$project" --filter="name=$bucket" '--format=value(name)' || stdout=''
  [ -n "$stdout" ] ||
    run gcloud storage buckets create "gs://$bucket" --project="$project" --location="$region" \
      --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=7d
  grant_bucket "gs://$bucket"
}

grant_bucket() {
  bind gcloud storage buckets add-iam-policy-binding "$1" \
    --member="serviceAccount:$runner" --role=roles/storage.objectUser
}

grant() {
  bind gcloud secrets add-iam-policy-binding "$1" --project="$2" \
    --member="serviceAccount:$runner" --role=roles/secretmanager.secretAccessor
}

# rcshook prints and runs the command of this folder.
rcshook() {
  show go run -C "$root" ./cmd/rcshook "$@" >&2
  go run -C "$root" ./cmd/rcshook "$@"
}

# names reports whether rcshook.yaml names a secret, a topic, a bucket or an agent.
names() {
  [[ $'\n'$named$'\n' == *$'\n'$1$'\n'* ]]
}

# read_file sets named to what the function needs because of rcshook.yaml: its secrets, topics
# and buckets, and the names of its agents. Unless one of them is default, it adds the secrets
# of that agent to keys.
read_file() {
  local part given=()
  named=''
  if [ -f "$root/rcshook.yaml" ]; then
    command -v go >/dev/null || die 'rcshook.yaml is checked with Go, which is not installed; see https://go.dev/doc/install'
    named=$(rcshook check -agents -secrets -topics -buckets rcshook.yaml) || die "rcshook.yaml has errors:"$'\n'"$named"
  fi
  if ! names default; then
    keys=(agent-id credentials ${keys[@]+"${keys[@]}"})
    return
  fi
  [ -z "$agent_id_file" ] || given+=(agent-id)
  [ -z "$key_file" ] || given+=(credentials)
  for part in ${given[@]+"${given[@]}"}; do
    names "projects/$project/secrets/$name-$part" ||
      usage_error "rcshook.yaml describes the agent default without the secret projects/$project/secrets/$name-$part; remove --agent-id-file and --key-file, or name that secret"
    keys+=("$part")
  done
}

# check_file checks rcshook.yaml together with the settings of the function.
check_file() {
  [ -f "$root/rcshook.yaml" ] || return 0
  printf '%s\n' "${settings[@]}" | rcshook check -env - rcshook.yaml ||
    die 'rcshook.yaml does not work with these options; see above. --queue sets RCSHOOK_QUEUE, --events sets RCSHOOK_WEBHOOK_TOKEN and RCSHOOK_OPT_OUT_STORE, and --no-opt-out leaves out the latter'
}

# check_named checks that resources exist that rcshook.yaml and the options name and the
# script does not create: secrets of other projects, topics and buckets.
check_named() {
  local scheme project_of kind id stdout stderr='' command create missing=''
  while IFS=/ read -r scheme project_of kind id; do
    case $scheme/$kind in
    gs:/*)
      command=(gcloud storage buckets describe "gs://$kind" --project="$project" '--format=value(name)')
      create="gcloud storage buckets create gs://$kind --project=$project --location=$region --uniform-bucket-level-access --public-access-prevention"
      ;;
    projects/secrets)
      [ "$project_of" != "$project" ] || continue
      printf 'The secret %s is in the project %s, not in %s.\n' "$id" "$project_of" "$project"
      command=(gcloud secrets describe "$id" --project="$project_of")
      create="gcloud secrets create $id --project=$project_of --replication-policy=automatic"
      ;;
    projects/topics)
      command=(gcloud pubsub topics describe "$id" --project="$project_of")
      create="gcloud pubsub topics create $id --project=$project_of"
      ;;
    *) continue ;;
    esac
    show "${command[@]}"
    [ -n "$dry" ] || capture "${command[@]}" || missing+=$'\n  '$create$'\n    '${stderr//$'\n'/ }
  done <<<"$named"
  [ -z "$missing" ] || die "these resources of rcshook.yaml or --events-url are missing, or you may not see them. Correct their names, or create them:"$'\n'"$missing"
}

# grant_named grants access to the secrets, topics and buckets that the options and
# rcshook.yaml name, and creates the secrets that do not exist. It sets unfilled to those
# without a value.
grant_named() {
  local scheme project_of kind id
  unfilled=()
  while IFS=/ read -r scheme project_of kind id; do
    case $scheme/$kind in
    gs:/*) grant_bucket "gs://$kind" ;;
    projects/secrets)
      if [ "$project_of" = "$project" ] && [[ " ${keys[*]-} " != *" ${id#"$name-"} "* ]]; then
        create_secret "$id"
        ! empty "$id" || unfilled+=("$id")
      fi
      grant "$id" "$project_of"
      ;;
    projects/topics)
      bind gcloud pubsub topics add-iam-policy-binding "$id" --project="$project_of" \
        --member="serviceAccount:$runner" --role=roles/pubsub.publisher
      ;;
    esac
  done <<<"$named"
}

# check_unfilled prints how to fill the secrets without a value, and exits if the function
# needs one of them. It sets later to those that other commands fill after the deployment.
check_unfilled() {
  local secret generated='' commands=''
  later=''
  [ ${#unfilled[@]} -gt 0 ] || return 0
  [ ! -f "$root/rcshook.yaml" ] || generated=$(rcshook check -generated rcshook.yaml)
  for secret in "${unfilled[@]}"; do
    if [[ $'\n'$generated$'\n' == *$'\n'"projects/$project/secrets/$secret"$'\n'* ]]; then
      later+=" $secret"
    else
      commands+="  printf %s 'KEY' | gcloud secrets versions add $secret --project=$project --data-file=-"$'\n'
    fi
  done
  [ -n "$commands" ] || return 0
  printf '\nThese secrets are empty. Store their values:\n\n%s\nFor a service-account key, use --data-file=KEY.json without the pipe.\n\n' "$commands"
  [ -n "$dry" ] || die 'the function is not deployed, because it needs these secrets; store their values, and run the script again'
}

environment() {
  local at=projects/$project/secrets/$name queues=projects/$project/locations/$region/queues number=NUMBER
  [ ! -f "$root/rcshook.yaml" ] || settings+=(RCSHOOK_CONFIG=rcshook.yaml)
  names default || settings+=("RCSHOOK_AGENT_ID=$at-agent-id" "RCSHOOK_CREDENTIALS=$at-credentials")
  case $access in
  keys) settings+=("RCSHOOK_API_KEYS=$at-api-keys") ;;
  iam) settings+=(RCSHOOK_ALLOW_UNAUTHENTICATED=true) ;;
  esac
  settings+=("GOOGLE_CLOUD_PROJECT=$project") # the project of the traces of log lines
  settings+=(GOMEMLIMIT=200MiB)               # four fifths of --memory; near it, Go collects garbage more often
  [ -z "$rcs_region" ] || settings+=("RCSHOOK_REGION=$rcs_region")
  [ -z "$events" ] || settings+=("RCSHOOK_WEBHOOK_TOKEN=$at-webhook-token")
  [ -z "$opt_out" ] || settings+=("RCSHOOK_OPT_OUT_STORE=gs://$bucket/rcs-opt-outs" "RCSHOOK_OPT_OUT_KEY=$at-opt-out-key")
  [ -z "$events_url" ] || settings+=("RCSHOOK_EVENTS_URL=$events_url" "RCSHOOK_EVENTS_SECRET=$at-events-secret")
  [ -n "$queue$events" ] || return 0
  show gcloud projects describe "$project" '--format=value(projectNumber)'
  [ -n "$dry" ] || number=$(gcloud projects describe "$project" '--format=value(projectNumber)')
  address=https://$name-$number.$region.run.app
  settings+=("RCSHOOK_QUEUE_ACCOUNT=$queuer" "RCSHOOK_URL=$address")
  [ -z "$queue" ] || settings+=("RCSHOOK_QUEUE=$queues/$name")
  [ -z "$events" ] || settings+=("RCSHOOK_EVENTS_QUEUE=$queues/$name-events")
  [ "$access" = keys ] || invokers+=("serviceAccount:$queuer")
}

# check_dropped exits if the function has settings that this deployment would remove, unless
# an option requires it. The values stay unread, because some are secrets.
check_dropped() {
  local setting keep stdout='' dropped=''
  [ -z "$dry$replace_settings" ] || return 0
  exists gcloud run services describe "$name" --project="$project" --region="$region" --format=json || return 0
  while read -r setting; do
    ! printf '%s\n' "${settings[@]}" | grep "^$setting=" >/dev/null || continue
    case $setting in
    RCSHOOK_API_KEYS) [ "$access" = keys ] || continue ;;
    RCSHOOK_AGENT_ID | RCSHOOK_CREDENTIALS) ! names default || continue ;;
    RCSHOOK_OPT_OUT_STORE | RCSHOOK_OPT_OUT_KEY) [ -z "$events" ] || continue ;; # --no-opt-out
    esac
    case $setting in
    RCSHOOK_QUEUE) keep=--queue ;;
    RCSHOOK_QUEUE_ACCOUNT | RCSHOOK_URL) keep='--queue or --events' ;;
    RCSHOOK_WEBHOOK_TOKEN | RCSHOOK_OPT_OUT_STORE | RCSHOOK_OPT_OUT_KEY | RCSHOOK_EVENTS_QUEUE) keep=--events ;;
    RCSHOOK_EVENTS_URL | RCSHOOK_EVENTS_SECRET) keep='--events --events-url URL' ;;
    RCSHOOK_ALLOW_UNAUTHENTICATED) keep='--access iam' ;;
    RCSHOOK_REGION) keep='--rcs-region REGION' ;;
    RCSHOOK_CONFIG) keep="the file $root/rcshook.yaml" ;;
    *) keep="--set $setting=VALUE" ;;
    esac
    dropped+=$'\n'"  $setting: $keep"
  done < <(grep -oE '"name": *"RCSHOOK_[A-Z0-9_]+"' <<<"$stdout" | grep -oE 'RCSHOOK_[A-Z0-9_]+')
  [ -z "$dropped" ] || die "this deployment would remove settings of $name. Run the script again with what keeps them, or with --replace-settings, which removes them:"$'\n'"$dropped"
}

# exclude_queries keeps URLs with phone numbers or tokens out of the request log of Cloud
# Run. The log lines of rcshook still record the requests.
exclude_queries() {
  local filter exclusion=$name-queries change=--add-exclusion tab=$'\t'
  filter="resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"$name\" AND log_id(\"run.googleapis.com/requests\") AND httpRequest.requestUrl=~\"(?i)/((capabilities|messages|hooks)[^?]*[?]|hooks(/|%2f)+[^/?]+(/|%2f)+[^/?])\""
  if exists gcloud logging sinks describe _Default --project="$project" '--format=value(exclusions[].name,exclusions[].filter)' &&
    [[ ";${stdout//$tab/;};" == *";$exclusion;"* ]]; then
    [[ $stdout != *"$filter"* ]] || return 0
    change=--update-exclusion # an earlier version of this script added it
  fi
  run gcloud logging sinks update _Default --project="$project" "$change=name=$exclusion,filter=$filter" --quiet
}

# version prints the version of the source, as git describe does.
version() {
  local described=devel
  [ ! -e "$root/.git" ] || described=$(git -C "$root" describe --tags --always --dirty 2>/dev/null) || described=devel
  printf '%s' "${described//[^A-Za-z0-9._-]/}"
}

# make_private removes public access from a function that was deployed with keys. This
# happens before its new settings turn off the check of keys.
make_private() {
  local member
  exists gcloud run services get-iam-policy "$name" --project="$project" --region="$region" --format=json || return 0
  for member in allUsers allAuthenticatedUsers; do
    [[ $stdout == *"\"$member\""* ]] || continue
    run gcloud run services remove-iam-policy-binding "$name" --project="$project" --region="$region" \
      --member="$member" --role=roles/run.invoker
  done
}

deploy() {
  local public=--allow-unauthenticated member version more=() IFS=,
  version=$(version)
  [ -z "$queue$events" ] || more=(--add-custom-audiences="$address")
  if [ "$access" = iam ]; then
    make_private
    public=--no-allow-unauthenticated
  fi
  run gcloud run deploy "$name" --project="$project" --region="$region" \
    --source="$root" --function=Send --base-image=go126 --automatic-updates \
    --service-account="$runner" --build-service-account="projects/$project/serviceAccounts/$builder" \
    --set-build-env-vars="GOOGLE_GOLDFLAGS=-s -w -X github.com/rcshook/rcshook/internal/server.release=$version" --set-env-vars="${settings[*]}" \
    --cpu=1 --memory=256Mi --cpu-boost --concurrency="$concurrency" \
    --min-instances="$min_instances" --max-instances="$max_instances" --timeout=60 "$public" ${more[@]+"${more[@]}"} --quiet
  for member in ${invokers[@]+"${invokers[@]}"}; do
    bind gcloud run services add-iam-policy-binding "$name" --project="$project" --region="$region" \
      --member="$member" --role=roles/run.invoker
  done
}

# print_test_command prints a command that tests the function, and the next steps.
print_test_command() {
  local url key describe="gcloud run services describe $name --project=$project --region=$region --format=json"
  show gcloud run services describe "$name" --project="$project" --region="$region" '--format=value(status.url)'
  if [ -n "$dry" ]; then
    url=https://ADDRESS
  else
    url=$(gcloud run services describe "$name" --project="$project" --region="$region" '--format=value(status.url)')
  fi
  # shellcheck disable=SC2016 # the reader's shell expands it
  key='$(gcloud auth print-identity-token)'
  [ "$access" = iam ] || key="\$(gcloud secrets versions access latest --secret=$name-api-keys --project=$project | head -n 1)"
  printf '\nrcshook is at %s\n' "$url"
  [ -z "$later" ] || printf '\nThese secrets are empty:%s. webhook set fills those of webhook_token, and optouts init that of opt_out.key:\n\n  %s | go run ./cmd/rcshook COMMAND -env -\n' "$later" "$describe"
  cat <<END

This command checks everything and sends nothing:

  curl $url/ -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \\
    -d '{"to": "+12025550123", "text": "Hello", "dry_run": true}'
END
  print_callers
  [ -z "$events_url" ] || printf '\nThe key of the signatures for your target is in the secret %s-events-secret.\n' "$name"
  [ -z "$opt_out" ] || cat <<END

The next step prepares the bucket of the opt-outs. Until then, the function refuses
promotions with opt_out_unavailable:

  $describe | go run ./cmd/rcshook optouts init -env -
END
  [ -z "$events" ] || cat <<END

The next step connects the webhook of the agent to the function:

  $describe | go run ./cmd/rcshook webhook set -env -
END
}

# rotate_keys adds a key in front of the one in the secret of the API keys, or of each
# --caller, or keeps only the first one.
rotate_keys() {
  local caller secret random key count secrets=()
  for caller in ${callers[@]+"${callers[@]}"}; do
    secrets+=("$name-caller-$caller")
  done
  for secret in "${secrets[@]-$name-api-keys}"; do
    exists gcloud secrets versions access latest --secret="$secret" --project="$project" || [ -n "$dry" ] ||
      die "$secret contains no key; deploy first"
    count=$(grep -c '[^[:space:],]' <<<"$stdout") || [ -n "$dry" ] || die "$secret contains no key"
    case $action/$count in
    finish/1) printf '%s contains one key.\n' "$secret" && continue ;;
    finish/*)
      [ -z "$dry" ] || count=
      confirm "$secret will contain only the first of its ${count:+$count }keys. Callers with another one are rejected."
      key=$(grep -m 1 '[^[:space:],]' <<<"$stdout") || true
      store "$secret" '' "$key"
      printf 'Within five minutes, the function accepts only the new key in %s.\n' "$secret"
      continue
      ;;
    rotate/[01])
      new_key
      store "$secret" '' "$key"$'\n'"$stdout"
      ;;
    rotate/*) printf '%s contains %s keys already, so the script added none.\n' "$secret" "$count" ;;
    esac
    cat <<END

Within five minutes, the function accepts all keys in $secret. This is the new one:

  gcloud secrets versions access latest --secret=$secret --project=$project | head -n 1

When all callers use it, run the script with the same options and --rotate-key finish.
END
  done
}

# plan adds a command to those of --delete.
plan() {
  local command
  printf -v command ' %q' "$@" --quiet
  planned+=("$command")
}

# present reports whether a resource exists. In a dry run, all of them do.
present() {
  exists "$@" || [ -n "$dry" ]
}

# delete_all deletes what the script created, in the order in which it is used: a run that
# failed can be repeated.
delete_all() {
  local id other command planned=() kept='' stdout='' stderr=''
  local here=(--project="$project" --region="$region") there=(--project="$project" --location="$region")
  exists gcloud run services list --project="$project" --filter="metadata.name=$name" '--format=value(region)' || true
  other=$(grep -vx "$region" <<<"$stdout" | tr '\n' ' ') || true
  ! present gcloud run services describe "$name" "${here[@]}" '--format=value(status.url)' || plan gcloud run services delete "$name" "${here[@]}"
  for id in "$name" "$name-events"; do
    ! present gcloud tasks queues describe "$id" "${there[@]}" || plan gcloud tasks queues delete "$id" "${there[@]}"
  done
  if [[ $other == *[a-z]* ]]; then
    kept="the accounts, secrets and bucket, which $name also uses in: $other"
  else
    plan_shared
  fi
  [ ${#planned[@]} -gt 0 ] || { printf 'Nothing to delete.\n%s' "${kept:+This stays: $kept}" && return; }
  cat <<END

First disconnect the webhook, if RCS for Business sends events to the function:

  gcloud run services describe $name --project=$project --region=$region --format=json | go run ./cmd/rcshook webhook remove -env -
END
  printf '\nThese commands delete %s from the project %s:\n\n' "$name" "$project"
  printf ' %s\n' "${planned[@]}"
  cat <<END

Messages in the queues are lost. For several days, Cloud Tasks accepts no new queue with
the name of a deleted one; to deploy again with a queue, use another --name.
${kept:+This stays: $kept
}
END
  confirm 'This cannot be undone.'
  [ -z "$dry" ] || return 0
  for command in "${planned[@]}"; do
    printf '+%s\n' "$command"
    eval "capture$command" || is_missing || { printf '%s\n' "$stderr" >&2 && die 'gcloud failed; see its error above. Fix it, and run the script again'; }
  done
}

# plan_shared plans the deletion of resources without a region.
plan_shared() {
  local account secret
  if exists gcloud logging sinks describe _Default --project="$project" '--format=value(exclusions[].name)' && [[ ";$stdout;" == *";$name-queries;"* ]] || [ -n "$dry" ]; then
    plan gcloud logging sinks update _Default --project="$project" --remove-exclusions="$name-queries"
  fi
  for account in "$runner" "$builder" "$queuer"; do
    present gcloud iam service-accounts describe "$account" --project="$project" || continue
    [ "$account" != "$builder" ] || plan gcloud projects remove-iam-policy-binding "$project" --member="serviceAccount:$builder" \
      --role=roles/run.builder --condition=None
    plan gcloud iam service-accounts delete "$account" --project="$project"
  done
  exists gcloud secrets list --project="$project" --filter="labels.rcshook=$name" '--format=value(name.basename())' || [ -z "$dry" ] ||
    stdout="$name-agent-id $name-credentials $name-api-keys $name-webhook-token $name-events-secret"
  for secret in $stdout; do
    if [ "$secret" = "$name-opt-out-key" ]; then
      continue
    elif [ -n "$with_secrets" ]; then
      plan gcloud secrets delete "$secret" --project="$project"
    else
      kept+="$secret "
    fi
  done
  [ -z "$kept" ] || kept="the secrets $kept(--with-secrets deletes them too)"
  exists gcloud storage buckets list --project="$project" --filter="name=$bucket" '--format=value(name)' || [ -z "$dry" ] || stdout=$bucket
  if [ -n "$stdout" ] && [ -n "$with_opt_outs" ]; then
    plan gcloud storage rm --recursive "gs://$bucket"
  elif [ -n "$stdout" ]; then
    kept+="${kept:+, and }who opted out: gs://$bucket and the secret $name-opt-out-key (--with-opt-outs deletes both)"
  fi
  [ -n "$with_opt_outs" ] && present gcloud secrets describe "$name-opt-out-key" --project="$project" &&
    plan gcloud secrets delete "$name-opt-out-key" --project="$project"
  return 0
}

# confirm asks whether to continue.
confirm() {
  local reply
  printf '%s\n' "$1"
  [ -z "$yes$dry" ] || return 0
  read -rp 'Type yes to continue: ' reply || die 'nothing was changed; to continue without a terminal, use --yes'
  [ "$reply" = yes ] || die 'nothing was changed'
}

# deploy_all creates missing resources, and deploys the function.
deploy_all() {
  local apis=(run.googleapis.com cloudbuild.googleapis.com artifactregistry.googleapis.com secretmanager.googleapis.com)
  read_file
  environment
  check_file
  [[ $events_url != projects/* ]] || named+=$'\n'$events_url
  check_named
  check_dropped
  [ -z "$queue$events" ] || apis+=(cloudtasks.googleapis.com)
  [[ -z $opt_out && $named != *gs://* ]] || apis+=(storage.googleapis.com)
  [[ $named != */topics/* ]] || apis+=(pubsub.googleapis.com)
  ask
  run gcloud services enable "${apis[@]}" --project="$project"
  account "$name-run" "Runs $name"
  account "$name-build" "Builds $name"
  bind gcloud projects add-iam-policy-binding "$project" --member="serviceAccount:$builder" \
    --role=roles/run.builder --condition=None
  secrets
  grant_named
  check_unfilled
  create_bucket
  create_queues
  exclude_queries
  deploy
  print_test_command
}

main() {
  errors=$(mktemp) || die 'cannot create a temporary file'
  trap 'rm -f "$errors"' EXIT
  options "$@"
  check_options
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  runner=$name-run@$project.iam.gserviceaccount.com
  builder=$name-build@$project.iam.gserviceaccount.com
  queuer=$name-queue@$project.iam.gserviceaccount.com
  bucket=$project-$name-optouts
  case $action in
  rotate | finish) rotate_keys ;;
  delete) delete_all ;;
  *) deploy_all ;;
  esac
  [ -z "$dry" ] || printf '\nDry run: nothing was changed.\n'
}

main "$@"
