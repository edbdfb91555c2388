// Parties of one meeting in one page, each with its own RTCPeerConnection. The test drives them through `parties`
// and carries their descriptions to the relay; nothing here knows of the relay's control wire.
"use strict";

const SLOTS = { audio: 3, video: 9, presentation: 1 };
const parties = {};

function onlyVp8AndOpus(transceiver, kind) {
  const wanted = kind === "audio" ? /opus/ : /VP8|rtx/;
  transceiver.setCodecPreferences(
    RTCRtpReceiver.getCapabilities(kind).codecs.filter((codec) => wanted.test(codec.mimeType)));
}

// A picture of one colour with something that moves, so that every frame differs.
function colourCamera(colour, width, height, fps) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  let frame = 0;
  const timer = setInterval(() => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = "white";
    pen.fillRect((frame * 5) % width, height - 24, 16, 16);
    frame++;
  }, 1000 / fps);
  const stream = canvas.captureStream(fps);
  return { stream, stop: () => clearInterval(timer) };
}

// A picture that keeps its size, as a room's does, within a rate.
async function limit(sender, kbps) {
  const parameters = sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  for (const encoding of parameters.encodings) encoding.maxBitrate = kbps * 1000;
  await sender.setParameters(parameters);
}

// What the browser takes for a camera.
async function browserCamera(width, height, fps) {
  const wanted = { width: { exact: width }, height: { exact: height }, frameRate: { ideal: fps } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
  return { stream, stop: () => stream.getTracks().forEach((track) => track.stop()) };
}

// Notes every frame the browser presents from a slot: when, its RTP time, and its colour in the middle.
function watch(party, role, track) {
  const video = document.createElement("video");
  video.muted = true;
  video.autoplay = true;
  video.playsInline = true;
  video.width = 160;
  video.srcObject = new MediaStream([track]);
  document.body.append(video);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const shown = (party.shown[role] = []);
  const note = (now, frame) => {
    pen.drawImage(video, video.videoWidth / 2, video.videoHeight / 3, 1, 1, 0, 0, 1, 1);
    const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
    shown.push({ at: now, rtp: frame.rtpTimestamp, width: frame.width, red, green, blue });
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
}

function show(track, width, height) {
  const video = document.createElement("video");
  video.muted = video.autoplay = video.playsInline = true;
  video.width = width;
  video.height = height;
  video.srcObject = new MediaStream([track]);
  document.body.append(video);
  return video;
}

// Shows a slot as a room's screen does, and notes only its first frame: what looks on must cost nothing.
function showMeeting(party, track) {
  const { width, height } = party.picture;
  show(track, width, height).requestVideoFrameCallback((now) => (party.firstFrame = now));
  show(party.camera.stream.getVideoTracks()[0], width / 5, height / 5);
}

// A browser decodes sound only for somebody who plays it.
function listen(track) {
  const audio = document.createElement("audio");
  audio.autoplay = true;
  audio.srcObject = new MediaStream([track]);
  document.body.append(audio);
}

// Opens microphone and camera.
async function openParty(name, picture) {
  const { colour, width, height, fps } = picture;
  const party = (parties[name] = { picture, shown: {}, roles: {}, states: [] });
  const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
  party.microphone = sound.getAudioTracks()[0];
  party.camera = colour ? colourCamera(colour, width, height, fps) : await browserCamera(width, height, fps);
}

// Returns { offer, lines } for the relay's `join`.
async function offerParty(name) {
  const party = parties[name];
  const { kbps, watch: how } = party.picture;
  party.began = performance.now();
  const pc = (party.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require", iceServers: [] }));
  pc.onconnectionstatechange = () => party.states.push(pc.connectionState);
  pc.ontrack = ({ transceiver, track }) => {
    const role = party.roles[transceiver.mid];
    if (track.kind === "audio") listen(track);
    else if (how === "meeting" && role === "video-0") showMeeting(party, track);
    else if (how === "colours" && ["video-0", "video-1", "presentation-0"].includes(role)) watch(party, role, track);
  };
  const added = [];
  const add = (role, kind, direction, track) => {
    const transceiver = pc.addTransceiver(track || kind, { direction, streams: track ? [new MediaStream([track])] : [] });
    onlyVp8AndOpus(transceiver, kind);
    added.push([role, transceiver]);
  };
  add("microphone", "audio", "sendonly", party.microphone);
  add("camera", "video", "sendonly", party.camera.stream.getVideoTracks()[0]);
  add("presentation", "video", "sendonly");
  for (const [kind, count] of Object.entries(SLOTS))
    for (let i = 0; i < count; i++) add(`${kind}-${i}`, kind === "audio" ? "audio" : "video", "recvonly");
  if (kbps) await limit(added[1][1].sender, kbps);
  await pc.setLocalDescription(await pc.createOffer());
  for (const [role, transceiver] of added) party.roles[transceiver.mid] = role;
  return { offer: pc.localDescription.sdp, lines: added.map(([role, t]) => ({ mid: t.mid, role })) };
}

async function takeAnswer(name, sdp) {
  await parties[name].pc.setRemoteDescription({ type: "answer", sdp });
}

// What the browser knows of a party: its transport, and each slot that carries something.
async function look(name) {
  const { pc, roles, shown, states, began, firstFrame } = parties[name];
  const report = { at: performance.now(), began, firstFrame, state: pc.connectionState, states, slots: {}, sends: {}, shown: {} };
  const stats = await pc.getStats();
  const codecs = {};
  stats.forEach((s) => { if (s.type === "codec") codecs[s.id] = s; });
  stats.forEach((s) => {
    if (s.type === "transport")
      report.transport = { dtls: s.dtlsState, role: s.dtlsRole, srtp: s.srtpCipher, cipher: s.dtlsCipher, tls: s.tlsVersion };
    if (s.type === "inbound-rtp") {
      const transceiver = pc.getTransceivers().find((t) => t.mid === s.mid);
      const sources = transceiver.receiver.getContributingSources().sort((a, b) => b.timestamp - a.timestamp);
      report.slots[roles[s.mid]] = { ...s, codec: codecs[s.codecId]?.mimeType, csrc: sources[0]?.source ?? 0 };
    }
    if (s.type === "outbound-rtp") report.sends[roles[s.mid]] = s;
  });
  for (const [role, frames] of Object.entries(shown)) report.shown[role] = frames.slice(-400);
  return report;
}

function leave(name) {
  const party = parties[name];
  party.camera.stop();
  party.microphone.stop();
  party.pc.close();
  delete parties[name];
}
