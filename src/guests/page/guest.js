// A guest's page: /g/{address} puts oneself down, /g/check-in#{proof} checks in at the door. No framework.
'use strict';

const WORDS = {
  'zh-Hans': {
    loading: '请稍候…', join: '报名参加', name: '姓名', phone: '手机号码', full: '名额已满', expired: '报名已截止',
    cancelled: '活动已取消', gone: '此链接无效，请向组织者索取新的链接。', done: '报名成功',
    doneText: '活动当天请扫描现场二维码签到，请勿清除本页数据。', cancel: '取消报名并删除我的信息', removed: '已取消，您的信息已删除。',
    left: '剩余名额：', consent: '我同意保存姓名和手机号码，活动结束 {days} 天后删除。', atDoor: '来宾签到', checkIn: '签到',
    present: '签到成功', noConsent: '请先勾选同意。', offline: '网络不通，请重试。', atDoorText: '请输入报名时的手机号码。',
  },
  'zh-Hant': {
    loading: '請稍候…', join: '報名參加', name: '姓名', phone: '手機號碼', full: '名額已滿', expired: '報名已截止',
    cancelled: '活動已取消', gone: '此連結無效，請向組織者索取新的連結。', done: '報名成功',
    doneText: '活動當天請掃描現場 QR 碼簽到，請勿清除本頁資料。', cancel: '取消報名並刪除我的資料', removed: '已取消，您的資料已刪除。',
    left: '剩餘名額：', consent: '我同意保存姓名和手機號碼，活動結束 {days} 天後刪除。', atDoor: '來賓簽到', checkIn: '簽到',
    present: '簽到成功', noConsent: '請先勾選同意。', offline: '網路不通，請重試。', atDoorText: '請輸入報名時的手機號碼。',
  },
  en: {
    loading: 'One moment…', join: 'Join as a guest', name: 'Name', phone: 'Mobile number', full: 'All places are taken',
    expired: 'It is too late to join', cancelled: 'The event is cancelled', gone: 'This address is not good. Ask the organiser for a new one.',
    done: 'You are on the list', doneText: 'On the day, scan the code at the door. Keep the data of this page.',
    cancel: 'Give my place back and erase my data', removed: 'Done: your data is erased.', left: 'Places left: ',
    consent: 'I agree that my name and number are kept until {days} days after the event.', atDoor: 'Guests check in here',
    checkIn: 'Check in', present: 'You are checked in', noConsent: 'Please agree first.', offline: 'No connection. Try again.',
    atDoorText: 'Give the mobile number you were put down with.',
  },
};

const $ = (id) => document.getElementById(id);
const address = location.pathname.split('/').pop();
const atDoor = address === 'check-in';
const state = { language: pickLanguage(), view: 'loading', invitation: null, error: '', busy: false, proof: null };

function pickLanguage() {
  const kept = read('zhibu.language');
  if (WORDS[kept]) return kept;
  const wanted = (navigator.languages || [navigator.language || '']).map((tag) => tag.toLowerCase());
  for (const tag of wanted) {
    if (/^zh-(hant|tw|hk|mo)/.test(tag)) return 'zh-Hant';
    if (tag.startsWith('zh')) return 'zh-Hans';
    if (tag.startsWith('en')) return 'en';
  }
  return 'zh-Hans';
}

// A phone may refuse to keep anything: then the page works without a memory.
function read(key) { try { return localStorage.getItem(key); } catch { return null; } }
function write(key, value) {
  try { if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value); } catch { /* no memory */ }
}

function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

// The same id is sent again until there is an answer.
function kept(key, make) {
  let value = read(key);
  if (!value) { value = make(); write(key, value); }
  return value;
}

const t = (key) => WORDS[state.language][key];

async function call(method, path, body) {
  const answer = await fetch('/api/v1' + path, {
    method,
    headers: { 'Content-Type': 'application/json', 'Accept-Language': state.language },
    body: body && JSON.stringify(body),
  });
  const json = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) {
    const wrong = (json.errors || []).map((error) => error.field);
    throw Object.assign(new Error(json.detail), { code: json.code, fields: wrong });
  }
  return json;
}

function draw() {
  document.documentElement.lang = state.language;
  for (const element of document.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  const { invitation, view } = state;
  $('event').hidden = !invitation;
  if (invitation) {
    $('event-title').textContent = invitation.event_title;
    const when = invitation.starts_at && new Date(invitation.starts_at).toLocaleString(state.language, {
      timeZone: invitation.time_zone, dateStyle: 'full', timeStyle: 'short',
    });
    $('event-meta').textContent = [invitation.organization_name, when, invitation.place].filter(Boolean).join(' · ');
  }
  $('head').textContent = t({ join: 'join', door: 'atDoor', done: 'done', present: 'present' }[view] || view);
  const text = { join: invitation && t('left') + invitation.places_left, done: t('doneText'), door: t('atDoorText') }[view];
  $('text').hidden = !text;
  $('text').textContent = text || '';
  $('form').hidden = view !== 'join' && view !== 'door';
  $('name-row').hidden = $('consent-row').hidden = view === 'door';
  $('consent-text').textContent = t('consent').replace('{days}', invitation ? invitation.kept_days : '');
  $('submit').textContent = t(view === 'door' ? 'checkIn' : 'join');
  $('submit').disabled = state.busy;
  $('error').hidden = !state.error;
  $('error').textContent = state.error;
  $('cancel').hidden = view !== 'done';
}

function show(view, error = '') {
  Object.assign(state, { view, error, busy: false });
  draw();
}

function fail(error) {
  state.busy = false;
  state.error = error.code ? error.message : t('offline');
  draw();
}

async function openInvitation() {
  try {
    state.invitation = await call('GET', '/guest-invitations/' + encodeURIComponent(address));
  } catch (error) {
    if (error.code === 'not_found') return show('gone');
    return fail(error);
  }
  if (state.invitation.cancelled) return show('cancelled');
  if (read('zhibu.guest.' + address)) return show('done');
  if (state.invitation.places_left > 0) return show('join');
  show(new Date(state.invitation.expires_at) <= new Date() ? 'expired' : 'full');
}

async function join() {
  if (!$('consent').checked) return show('join', t('noConsent'));
  const id = kept('zhibu.guest-id.' + address, uuid);
  const made = await call('POST', '/guest-invitations/' + encodeURIComponent(address) + '/guests', {
    name: $('name').value, phone: $('phone').value, consent: true, client_event_id: id,
  });
  write('zhibu.guest.' + address, made.pass);
  write('zhibu.guest-event.' + made.event_id, made.pass);
  show('done');
}

async function cancel() {
  const pass = read('zhibu.guest.' + address);
  await call('POST', '/guest-cancellations', { pass });
  write('zhibu.guest.' + address, null);
  write('zhibu.guest-id.' + address, null);
  show('removed');
}

// The check-in page has turned the code into a proof already: a guest types their number in peace.
async function openDoor() {
  let door;
  try { door = JSON.parse(decodeURIComponent(location.hash.slice(1))); } catch { return show('gone'); }
  state.proof = { proof: door.proof, device_id: door.device_id };
  state.invitation = { event_title: door.event.title, place: door.event.place, kept_days: '' };
  const pass = read('zhibu.guest-event.' + door.event.id);
  if (!pass) return show('door');
  try {
    await call('POST', '/guest-check-ins', { ...state.proof, pass });
    show('present');
  } catch (error) {
    fail(error);
  }
}

async function checkIn() {
  await call('POST', '/guest-check-ins', { ...state.proof, phone: $('phone').value });
  show('present');
}

function guarded(work) {
  return async (event) => {
    event.preventDefault();
    if (state.busy) return;
    state.busy = true;
    state.error = '';
    draw();
    try { await work(); } catch (error) { fail(error); }
  };
}

$('form').addEventListener('submit', guarded(() => (atDoor ? checkIn() : join())));
$('cancel').addEventListener('click', guarded(cancel));
for (const button of document.querySelectorAll('[data-lang]')) {
  button.addEventListener('click', () => {
    state.language = button.dataset.lang;
    write('zhibu.language', state.language);
    draw();
  });
}
draw();
if (atDoor) openDoor(); else openInvitation();
