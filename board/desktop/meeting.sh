# Sourced by `run` and by tests: a relay, rooms and an agenda in a state folder of their own, all stopped at the end.
#   meeting_begin BUILD [OUT]        programs from BUILD; logs are copied to OUT at the end
#   relay_begin ADDRESS PORT [LINE...]   authorities, signer, settings (LINEs are added), start; waits until it serves
#   organization_begin ID NAME READING                        an organization (団体) in the directory
#   room_begin NAME ORGANIZATION DEPARTMENT ROOM [LINE...]   key, certificate, terminal.conf
#   agenda_now ORGANIZATION NAME...  imports a meeting of these rooms that is running now
#   start NAME PROGRAM...            in the background; sets started to its pid; log in $state/NAME.log
# ctl, terminal, measure and relay_program name the programs; relay_in and room_in may hold a command prefix
# (a network namespace). Every process is stopped by its pid.

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

meeting_begin() {
    build=$1 out=${2:-}
    relay_program=$build/media/relay/kaigi-relay
    signer_program=$build/media/relay/kaigi-signer
    ctl=$build/media/relay/kaigi-ctl
    terminal=$build/firmware/app/kaigi-terminal
    measure=$build/tests/tools/kaigi-measure
    local program
    for program in "$relay_program" "$signer_program" "$ctl" "$terminal"; do
        [ -x "$program" ] || fail "$program is missing: build it first"
    done
    state=$(mktemp -d "${TMPDIR:-/tmp}/kaigi.XXXXXX")
    pids=()
    declare -gA room_pid=()
    relay_in=() room_in=()
    trap meeting_end EXIT
    trap 'echo; echo "Stopping"; exit 130' INT TERM
}

meeting_end() {
    trap - EXIT INT TERM
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do
        for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    done
    [ -z "$out" ] || cp "$state"/*.log "$out/" 2>/dev/null || true
    rm -rf "$state"
}

start() {
    local name=$1
    shift
    "$@" 2>>"$state/$name.log" >>"$state/$name.out" &
    started=$!
    pids+=("$started")
}

# explain NAME TEXT: ends with the last lines of a program's log.
explain() {
    echo "--- the end of $1's log:" >&2
    tail -15 "$state/$1.log" >&2
    fail "$2"
}

# ask_ctl ARGUMENT...: kaigi-ctl on this relay; its words only when it fails.
ask_ctl() {
    "$ctl" "$@" --state "$state/relay" >"$state/ctl.out" 2>&1 || {
        cat "$state/ctl.out" >&2
        fail "kaigi-ctl $1 $2 failed"
    }
}

relay_start() {
    rm -f "$state/relay/admin.sock"
    start relay "${relay_in[@]}" "$relay_program" --config "$state/relay.conf"
    relay_pid=$started
    for _ in $(seq 100); do
        [ -S "$state/relay/admin.sock" ] && return
        kill -0 "$relay_pid" 2>/dev/null || explain relay "the relay did not start"
        sleep 0.1
    done
    explain relay "the relay does not answer"
}

# The signer keeps the issuing authority's key; root and key of the demonstration lie under $state and go with it.
signer_start() {
    start signer "$signer_program" --folder "$state/signer" --socket "$state/relay/signer.sock"
    local pid=$started
    for _ in $(seq 100); do
        [ -S "$state/relay/signer.sock" ] && return
        kill -0 "$pid" 2>/dev/null || explain signer "the signer did not start"
        sleep 0.1
    done
    explain signer "the signer does not answer"
}

relay_begin() {
    relay_address=$1 relay_port=$2
    shift 2
    mkdir -m 700 "$state/relay"
    {
        printf '%s\n' "[relay]" "state=$state/relay" "[listen]" "addresses=$relay_address" "port=$relay_port"
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$state/relay.conf"
    (umask 077 && head -c 24 /dev/urandom | base64 >"$state/passphrase")
    ask_ctl ca init --address "$relay_address" --root "$state/root" --signer "$state/signer" \
        --passphrase-file "$state/passphrase"
    signer_start
    relay_start
}

organization_begin() {
    ask_ctl org add "$1" --name "$2" --reading "$3"
}

room_begin() {
    local name=$1 organization=$2 department=$3 room=$4
    shift 4
    mkdir -p "$state/$name"
    {
        printf '%s\n' "[relay]" "host = $relay_address" "port = $relay_port" "ca-file = ca.crt" "[identity]" \
            "key-file = room.key" "certificate-file = room.crt" "[state]" "folder = state"
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$state/$name/terminal.conf"
    cp "$state/relay/ca.crt" "$state/$name/ca.crt"
    "$terminal" --config "$state/$name/terminal.conf" --make-identity --csr "$state/$name/room.csr" \
        2>>"$state/$name.log" || explain "$name" "$name could not make its key"
    ask_ctl room add "$room" --id "$name" --organization "$organization" --department "$department" \
        --csr "$state/$name/room.csr" --cert-out "$state/$name/room.crt"
}

agenda_now() {
    local organization=$1 name
    shift
    {
        printf '%s\n' BEGIN:VCALENDAR VERSION:2.0 "PRODID:-//Kaigi//desktop//JA" BEGIN:VEVENT \
            "UID:$(date -u +%Y%m%dT%H%M%S)@kaigi.invalid" "DTSTAMP:$(date -u +%Y%m%dT%H%M%SZ)" \
            "DTSTART:$(date -u -d '-5 minutes' +%Y%m%dT%H%M00Z)" "DTEND:$(date -u -d '+55 minutes' +%Y%m%dT%H%M00Z)" \
            "SUMMARY:広域連携 定例打合せ"
        for name in "$@"; do echo "ATTENDEE;CUTYPE=ROOM:mailto:$name@kaigi.invalid"; done
        printf '%s\n' END:VEVENT END:VCALENDAR
    } | sed 's/$/\r/' >"$state/agenda.ics"
    ask_ctl agenda import "$state/agenda.ics" --organization "$organization"
}

# free_port FIRST: the first TCP port of 127.0.0.1 from FIRST on that nobody serves.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

# mark_room NAME PICTURE VOICE up|down WIDTH HEIGHT FPS: its marked clip and chirping voice.
mark_room() {
    "$measure" clip "$2" "$state/$1/clip.y4m" "$5" "$6" "$7" $(($7 * 5)) || fail "no clip for $1"
    "$measure" voice "$3" "$4" 30 "$state/$1/voice.wav" || fail "no voice for $1"
}

# tapped_room NAME OPTION...: starts its terminal without a window, showing its clip and saying its voice.
tapped_room() {
    local name=$1
    shift
    [ -e "$state/relay-idle.json" ] || "$measure" usage "$relay_pid" "$state/relay-idle.json"
    mkdir -m 700 "$state/$name/tap"
    start "$name" "${room_in[@]}" "$terminal" --config "$state/$name/terminal.conf" --headless \
        --tap "$state/$name/tap" --camera "$state/$name/clip.y4m" --microphone "$state/$name/voice.wav" \
        --speaker none "$@"
    room_pid[$name]=$started
}

# meet SECONDS OUT: room-b (started with --join auto) is in the meeting; a finger joins room-a; after SECONDS it
# leaves, both end, and OUT gets home.png, meeting.png and report.json. False: they did not see and hear each other.
meet() {
    local seconds=$1 to=$2 name touched
    "$measure" wait "$state/room-b/tap" meeting.leave 20000 || explain room-b "room B did not come into the meeting"
    "$measure" wait "$state/room-a/tap" home.join 20000 || explain room-a "room A shows no meeting to join"
    "$measure" screenshot "$state/room-a/tap" "$to/home.png" || fail "no picture of the home screen"
    for name in room-a room-b; do "$measure" usage "${room_pid[$name]}" "$state/$name/before.json"; done
    "$measure" usage "$relay_pid" "$state/relay-before.json"
    touched=$("$measure" touch "$state/room-a/tap" home.join 5000) || explain room-a "the button could not be touched"
    echo "Touched. The rooms meet for $seconds seconds"
    sleep 3 # the first keyframes, and the rate finding its place, are no measure of what is sent
    "$ctl" status --state "$state/relay" --json >"$state/early.json" || fail "the relay gave no status"
    sleep "$((seconds - 4))"
    for name in room-a room-b; do
        "$measure" usage "${room_pid[$name]}" "$state/$name/after.json" || explain "$name" "$name is gone"
    done
    "$measure" usage "$relay_pid" "$state/relay-after.json" || explain relay "the relay is gone"
    "$ctl" status --state "$state/relay" --json >"$state/status.json" || fail "the relay gave no status"
    sleep 1
    "$measure" screenshot "$state/room-a/tap" "$to/meeting.png" || fail "no picture of the meeting"
    "$measure" touch "$state/room-a/tap" meeting.leave 5000 >/dev/null || explain room-a "「退出」 could not be touched"
    sleep 1
    for name in room-a room-b; do kill "${room_pid[$name]}" 2>/dev/null || true; done
    for name in room-a room-b; do wait "${room_pid[$name]}" || explain "$name" "$name did not end cleanly"; done
    echo "Measuring"
    "$measure" report "$to/report.json" "$seconds" "$state/early.json" "$state/status.json" "$state/relay-idle.json" \
        "$state/relay-before.json" "$state/relay-after.json" \
        room-a "$state/room-a/tap" "$state/room-a/clip.y4m" up "$touched" \
        "$state/room-a/before.json" "$state/room-a/after.json" \
        room-b "$state/room-b/tap" "$state/room-b/clip.y4m" down 0 \
        "$state/room-b/before.json" "$state/room-b/after.json"
}
