// The page behind the QR code on the meeting-room screen: code -> proof -> log in -> check in.
// ES5 and XMLHttpRequest only (phones of 2016). What comes from outside reaches the screen through textContent alone.
(function () {
  'use strict';

  var API = '/api/v1';
  var TIMEOUT_MS = 10000;
  var GIVE_UP_MS = 120000;
  var LONG_WAIT_S = 15; // a longer throttle on a login is told, not waited for
  var CLOCK_TRUST_MS = 600000; // beyond a proof's life the phone's own time is not worth showing
  var LANGUAGES = ['zh-Hans', 'zh-Hant', 'en'];

  var STRINGS = {
    title: ['签到', '簽到', 'Check-in'],
    brand: ['组织生活签到', '組織生活簽到', 'Event check-in'],
    language: ['语言', '語言', 'Language'],
    reading: ['正在读取签到码…', '正在讀取簽到碼…', 'Reading the code…'],
    loggingIn: ['正在登录…', '正在登入…', 'Logging in…'],
    findingPlace: ['正在获取位置…', '正在取得位置…', 'Finding where you are…'],
    checkingIn: ['正在签到…', '正在簽到…', 'Checking you in…'],
    badSignal: ['信号不好，正在重试…', '訊號不好，正在重試…', 'Bad signal, retrying…'],
    crowded: ['人多繁忙，正在重试…', '人多繁忙，正在重試…', 'Very busy, retrying…'],
    keepOpen: ['请不要关闭此页面，系统会自动重试。', '請不要關閉此頁面，系統會自動重試。', 'Keep this page open. It goes on by itself.'],
    pleaseLogIn: ['请登录以完成签到', '請登入以完成簽到', 'Log in to check in'],
    codeKept: ['签到码已读取，可从容登录。', '簽到碼已讀取，可從容登入。', 'Your scan is safe: take your time.'],
    pleaseActivate: ['首次使用', '首次使用', 'First time here'],
    account: ['账号', '帳號', 'Account'],
    password: ['密码', '密碼', 'Password'],
    showPassword: ['显示密码', '顯示密碼', 'Show the password'],
    keep: ['保持登录（共用手机请勿勾选）', '保持登入（共用手機請勿勾選）', 'Stay logged in (own phone only)'],
    login: ['登录并签到', '登入並簽到', 'Log in and check in'],
    firstTime: ['首次使用？用激活码设置密码', '首次使用？用啟用碼設定密碼', 'First time? Use your activation code'],
    guest: ['我是来宾（没有账号）', '我是來賓（沒有帳號）', 'I am a guest, without an account'],
    activateHint: ['请输入书记发给您的激活码，并设置新密码。', '請輸入書記發給您的啟用碼，並設定新密碼。', 'Enter the activation code from your secretary and choose a password.'],
    activationCode: ['激活码', '啟用碼', 'Activation code'],
    newPassword: ['新密码', '新密碼', 'New password'],
    activate: ['激活并签到', '啟用並簽到', 'Activate and check in'],
    haveAccount: ['已有密码？直接登录', '已有密碼？直接登入', 'Have a password? Log in'],
    notYou: ['不是您本人？退出登录', '不是您本人？登出', 'Not you? Log out'],
    again: ['重试', '重試', 'Try again'],
    fillBoth: ['请填写以下两项。', '請填寫以下兩項。', 'Fill in both fields.'],
    present: ['签到成功', '簽到成功', 'Checked in'],
    late: ['已签到（迟到）', '已簽到（遲到）', 'Checked in, late'],
    already: ['您已于 {t} 签到', '您已於 {t} 簽到', 'Already checked in at {t}'],
    alreadyLate: ['您已于 {t} 签到（迟到）', '您已於 {t} 簽到（遲到）', 'Already checked in at {t}, late'],
    alreadyPlain: ['您已签到', '您已簽到', 'Already checked in'],
    passed: ['已经过签到点', '已經過簽到點', 'Point passed'],
    out: ['签退成功', '簽退成功', 'Checked out'],
    alreadyOut: ['您已于 {t} 签退', '您已於 {t} 簽退', 'Already checked out at {t}'],
    alreadyOutPlain: ['您已签退', '您已簽退', 'Already checked out'],
    nothingMore: ['无需再做任何操作。', '無需再做任何操作。', 'There is nothing more to do.'],
    review: ['已收到，待组织者确认。', '已收到，待組織者確認。', 'Received. The organiser will confirm it.'],
    starts: ['{t} 开始', '{t} 開始', 'starts {t}'],
    date: ['{m}月{d}日 {t}', '{m}月{d}日 {t}', '{y}-{m}-{d} {t}'],
    // Refusals: what happened, then (key + '_') what to do next.
    expired_code: ['签到码已过期', '簽到碼已過期', 'This code is too old'],
    expired_code_: ['请重新扫描屏幕上的签到码。', '請重新掃描螢幕上的簽到碼。', 'Scan the code on the screen again.'],
    invalid_code: ['签到码无效', '簽到碼無效', 'This code does not work'],
    invalid_code_: ['请重新扫描屏幕上的签到码。', '請重新掃描螢幕上的簽到碼。', 'Scan the code on the screen again.'],
    not_open_yet: ['签到尚未开始', '簽到尚未開始', 'Check-in has not opened yet'],
    not_open_yet_: ['签到开始后，请重新扫描屏幕上的签到码。', '簽到開始後，請重新掃描螢幕上的簽到碼。', 'Scan the code on the screen again when it opens.'],
    opensAt: ['签到于 {t} 开始，届时请重新扫描屏幕上的签到码。', '簽到於 {t} 開始，屆時請重新掃描螢幕上的簽到碼。', 'It opens at {t}. Scan the code on the screen again then.'],
    closed: ['签到已结束', '簽到已結束', 'Check-in is closed'],
    closed_: ['如您已到场，请联系组织者手动登记。', '如您已到場，請聯絡組織者手動登記。', 'If you are here, ask the organiser to mark you by hand.'],
    event_cancelled: ['该活动已取消', '該活動已取消', 'This event was cancelled'],
    event_cancelled_: ['您无需签到。', '您無需簽到。', 'You need not check in.'],
    not_expected: ['您不在应到名单中', '您不在應到名單中', 'You are not on the list'],
    not_expected_: ['如有疑问，请联系组织者手动登记。', '如有疑問，請聯絡組織者手動登記。', 'If you should be, ask the organiser to mark you by hand.'],
    on_leave: ['您已请假', '您已請假', 'You are on leave'],
    on_leave_: ['您的请假已获批准。如已到场，请联系组织者手动登记。', '您的請假已獲准。如已到場，請聯絡組織者手動登記。', 'Your leave was approved. If you came after all, ask the organiser to mark you by hand.'],
    not_checked_in: ['尚未签到', '尚未簽到', 'You have not checked in'],
    not_checked_in_: ['签退前须先签到，请联系组织者。', '簽退前須先簽到，請聯絡組織者。', 'Nobody checks out who has not checked in. Ask the organiser.'],
    outside_area: ['您似乎不在活动地点', '您似乎不在活動地點', 'You seem to be somewhere else'],
    outside_area_: ['如已到场，请联系组织者手动登记。', '如已到場，請聯絡組織者手動登記。', 'If you are here, ask the organiser to mark you by hand.'],
    location_required: ['本次签到需要位置', '本次簽到需要位置', 'This event asks for your location'],
    location_required_: ['请允许此页面获取位置后重试；位置只用于本次判断，不会保存。如不便提供，请联系组织者手动登记。', '請允許此頁面取得位置後重試；位置只用於本次判斷，不會保存。如不便提供，請聯絡組織者手動登記。', 'Allow this page to read it and try again: it is used once and not kept. Or ask the organiser to mark you by hand.'],
    rate_limited: ['尝试次数过多', '嘗試次數過多', 'Too many tries'],
    rate_limited_: ['请等待约 {n} 分钟后再试，或请组织者手动登记。', '請等待約 {n} 分鐘後再試，或請組織者手動登記。', 'Wait about {n} min and try again, or ask the organiser to mark you by hand.'],
    offline: ['尚未收到签到结果', '尚未收到簽到結果', 'No answer yet'],
    offline_: ['请移到信号较好的地方，再点“重试”。重复提交不会重复签到。', '請移到訊號較好的地方，再按「重試」。重複提交不會重複簽到。', 'Move to a place with better signal, then try again. Trying twice does no harm.'],
    failed: ['未能签到', '未能簽到', 'Check-in did not work'],
    failed_: ['请重试；如仍不行，请联系组织者手动登记。', '請重試；如仍不行，請聯絡組織者手動登記。', 'Try again. If it still fails, ask the organiser to mark you by hand.'],
    // On the forms.
    invalid_credentials: ['账号或密码错误，请重新输入。', '帳號或密碼錯誤，請重新輸入。', 'The account or the password is wrong.'],
    sessionEnded: ['登录已失效，请重新登录。', '登入已失效，請重新登入。', 'You were logged out. Log in again.'],
    activation_code_invalid: ['激活码错误、已使用或已过期。如已设置过密码，请直接登录；否则请向书记索取新的激活码。', '啟用碼錯誤、已使用或已過期。如已設定過密碼，請直接登入；否則請向書記索取新的啟用碼。', 'This activation code is wrong, used or expired. If you have set a password before, log in with it; if not, ask your secretary for a new code.'],
    password_too_weak: ['密码太弱，请使用更长且不常见的密码。', '密碼太弱，請使用更長且不常見的密碼。', 'Choose a longer, less common password.'],
    passwordMin: ['密码太弱，请使用至少 {n} 个字符且不常见的密码。', '密碼太弱，請使用至少 {n} 個字元且不常見的密碼。', 'Choose a less common password of at least {n} characters.']
  };

  function byId(id) { return document.getElementById(id); }

  // ---- Storage. A private window may refuse it: then everything lives as long as the page, the device id in a cookie.

  var memory = {};

  function load(kind, key) {
    try {
      var text = window[kind].getItem('zhibu.' + key);
      if (text) { return JSON.parse(text); }
    } catch (e) { /* refused or damaged */ }
    return memory.hasOwnProperty(key) ? memory[key] : null;
  }

  function save(kind, key, value) {
    memory[key] = value;
    try { window[kind].setItem('zhibu.' + key, JSON.stringify(value)); return true; } catch (e) { return false; }
  }

  function forget(kind, key) {
    delete memory[key];
    try { window[kind].removeItem('zhibu.' + key); } catch (e) { /* refused */ }
  }

  function uuid() {
    var bytes = [], i, hex = '', random = window.crypto || window.msCrypto;
    try {
      bytes = random.getRandomValues(new Uint8Array(16));
    } catch (e) {
      for (i = 0; i < 16; i++) { bytes[i] = Math.floor(Math.random() * 256); }
    }
    for (i = 0; i < 16; i++) {
      var b = bytes[i];
      if (i === 6) { b = (b & 15) | 64; }
      if (i === 8) { b = (b & 63) | 128; }
      hex += (i === 4 || i === 6 || i === 8 || i === 10 ? '-' : '') + (b + 256).toString(16).slice(1);
    }
    return hex;
  }

  function findDeviceId() {
    var id = load('localStorage', 'device'), cookie = null;
    try { cookie = /(?:^|; )zhibu_device=([0-9a-f-]{36})/.exec(document.cookie); } catch (e) { /* refused */ }
    if (!/^[0-9a-f-]{36}$/.test(id || '')) { id = cookie ? cookie[1] : uuid(); }
    if (!save('localStorage', 'device', id)) {
      try {
        document.cookie = 'zhibu_device=' + id + '; path=/c/; max-age=31536000; SameSite=Lax' +
          (location.protocol === 'https:' ? '; Secure' : '');
      } catch (e2) { /* in memory, then */ }
    }
    return id;
  }

  // ---- Language and time.

  function pickLanguage() {
    var kept = load('localStorage', 'language');
    if (LANGUAGES.indexOf(kept) >= 0) { return kept; }
    var wanted = navigator.languages && navigator.languages.length ? navigator.languages : [navigator.language || 'en'];
    for (var i = 0; i < wanted.length; i++) {
      var tag = String(wanted[i]).toLowerCase().replace(/_/g, '-');
      if (/^zh-hans/.test(tag)) { return 'zh-Hans'; }
      if (/^zh-(hant|tw|hk|mo)/.test(tag)) { return 'zh-Hant'; }
      if (/^zh(-|$)/.test(tag)) { return 'zh-Hans'; }
      if (/^en(-|$)/.test(tag)) { return 'en'; }
    }
    return 'en';
  }

  function say(key, values) {
    var row = STRINGS[key];
    return (row ? row[LANGUAGES.indexOf(language)] : '').replace(/\{(\w+)\}/g, function (all, name) {
      return values && values[name] !== undefined ? String(values[name]) : all;
    });
  }

  function hasWords(key) { return typeof key === 'string' && STRINGS.hasOwnProperty(key + '_'); }

  // Old engines read RFC 3339 with more than three decimals or an offset differently, so take it apart here.
  function parseInstant(text) {
    var p = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?(?:[Zz]|([+-])(\d\d):?(\d\d))$/.exec(text || '');
    if (!p) { return NaN; }
    var offset = p[7] ? (p[7] === '-' ? -1 : 1) * (p[8] * 60 + +p[9]) : 0;
    return Date.UTC(+p[1], p[2] - 1, +p[3], +p[4], +p[5], +(p[6] || 0)) - offset * 60000;
  }

  function two(n) { return (n < 10 ? '0' : '') + n; }

  function showInstant(ms) {
    if (isNaN(ms)) { return ''; }
    var at = new Date(ms), time = two(at.getHours()) + ':' + two(at.getMinutes());
    if (at.toDateString() === new Date().toDateString()) { return time; }
    return say('date', { y: at.getFullYear(), m: two(at.getMonth() + 1), d: two(at.getDate()), t: time });
  }

  function recordTime(record) {
    var said = parseInstant(record.occurred_at), received = parseInstant(record.received_at);
    if (isNaN(said) || Math.abs(said - received) > CLOCK_TRUST_MS) { return isNaN(received) ? said : received; }
    return said;
  }

  // ---- State and painting. `view` holds keys, not words, so that a change of language only paints again.

  var language = pickLanguage();
  var deviceId = findDeviceId();
  var session = load('localStorage', 'session'); // {refresh_token, who, name}; the access token is never stored
  var access = null;
  var page = null; // {code, proof, until, at, event, done}: what a reload of this same code needs
  var view = { icon: 'busy', head: 'reading' };
  var run = 0; // answers to an abandoned attempt are dropped
  var wake = null; // cuts a wait for better signal short

  function put(id, text) {
    var node = byId(id), words = text || '';
    if (node.textContent !== words) { node.textContent = words; }
    node.hidden = !words;
  }

  function show(next) {
    var before = view.form;
    view = next;
    paint();
    if (next.form && (before !== next.form || next.error)) {
      try { window.scrollTo(0, 0); } catch (e) { /* nicety */ }
    }
  }

  function paintResult(done) {
    var record = done.record, when = showInstant(recordTime(record)), late = record.status === 'late';
    var head = late ? 'late' : 'present';
    if (done.already) { head = when ? (late ? 'alreadyLate' : 'already') : 'alreadyPlain'; }
    // Of a further point: that one was late at the first is no news.
    if (record.point === 'check_in' && !record.first && !done.already) { head = 'passed'; late = false; }
    if (record.point === 'check_out') { head = done.already ? (when ? 'alreadyOut' : 'alreadyOutPlain') : 'out'; late = false; }
    put('head', say(head, { t: when }));
    put('time', done.already ? '' : when);
    put('name', done.name);
    put('text', say(isUnderReview(record) ? 'review' : 'nothingMore'));
    return late ? 'late' : 'ok';
  }

  // `review` is the reason why a person should look at it, null when nobody need.
  function isUnderReview(record) { return !!record.review && !record.reviewed_at; }

  function paint() {
    var i, nodes = document.querySelectorAll('[data-t]'), icon = view.icon, event = page && page.event, values = {};
    document.documentElement.lang = language;
    document.title = say('title');
    put('brand', say('brand'));
    byId('languages').setAttribute('aria-label', say('language'));
    for (i = 0; i < nodes.length; i++) { nodes[i].textContent = say(nodes[i].getAttribute('data-t')); }
    nodes = document.querySelectorAll('[data-lang]');
    for (i = 0; i < nodes.length; i++) {
      nodes[i].setAttribute('aria-pressed', nodes[i].getAttribute('data-lang') === language ? 'true' : 'false');
    }
    if (view.done) {
      icon = paintResult(view.done);
    } else {
      values = { n: view.n, t: showInstant(view.at) };
      put('head', say(view.head));
      put('time', '');
      put('name', icon === 'stop' && session ? session.name : '');
      put('text', view.detail || say(view.text, values));
    }
    document.body.className = 's-' + icon;
    byId('event').hidden = !event;
    if (event) {
      var starts = showInstant(parseInstant(event.starts_at));
      put('event-title', event.title + (event.checkpoint ? ' · ' + event.checkpoint.name : ''));
      put('event-meta', (event.place || '') + (event.place && starts ? ' · ' : '') + (starts ? say('starts', { t: starts }) : ''));
    }
    byId('login').hidden = view.form !== 'login';
    byId('activate').hidden = view.form !== 'activate';
    values = { n: view.n };
    put('login-error', view.form === 'login' ? view.errorDetail || say(view.error, values) : '');
    put('activate-error', view.form === 'activate' ? view.errorDetail || say(view.error, values) : '');
    byId('again').hidden = !view.again;
    byId('logout').hidden = !((session || view.done) && (view.done || view.icon === 'stop'));
  }

  function busy(head) { show({ icon: 'busy', head: head }); }

  // ---- Requests. One call is one intention: it keeps its idempotency key through all its retries.
  // `done` gets {status, code, body, wait_s, gaveUp}. A 2xx without the promised field (a hotel's Wi-Fi page) counts as no answer.

  function post(path, body, options, done) {
    var mine = run, key = uuid(), began = new Date().getTime(), tries = 0;

    function current() { return options.quiet || mine === run; }

    function attempt() {
      if (!current()) { return; }
      if (tries > 0 && !options.quiet) { busy(options.busy); }
      var xhr = new XMLHttpRequest(), over = false, timer = null;
      function end(status, text) {
        if (over) { return; }
        over = true;
        clearTimeout(timer);
        if (current()) { judge(status, text, xhr); }
      }
      xhr.open('POST', API + path, true);
      xhr.setRequestHeader('Content-Type', 'application/json');
      xhr.setRequestHeader('Accept', 'application/json, application/problem+json');
      xhr.setRequestHeader('Accept-Language', language);
      if (!options.hot) { xhr.setRequestHeader('Idempotency-Key', key); }
      if (options.bearer) { xhr.setRequestHeader('Authorization', 'Bearer ' + options.bearer); }
      xhr.onreadystatechange = function () {
        if (xhr.readyState === 4) { end(xhr.status, xhr.responseText); }
      };
      timer = setTimeout(function () { end(0, ''); xhr.abort(); }, TIMEOUT_MS);
      try { xhr.send(JSON.stringify(body)); } catch (e) { end(0, ''); }
    }

    function judge(status, text, xhr) {
      var answer = { status: status, body: {}, code: null, wait_s: 0, gaveUp: false }, parsed = null, wait;
      try { parsed = JSON.parse(text); } catch (e) { /* not ours */ }
      if (parsed && typeof parsed === 'object') { answer.body = parsed; }
      if (status >= 400 && typeof answer.body.code === 'string') { answer.code = answer.body.code; }
      if (status >= 200 && status < 300 && options.need && !answer.body[options.need]) { answer.status = 0; }
      status = answer.status;
      wait = status ? parseInt(xhr.getResponseHeader('Retry-After'), 10) : 0;
      answer.wait_s = wait > 0 ? wait : 0;
      var inFlight = status === 409 && answer.wait_s > 0 && !hasWords(answer.code) && !isKnown(answer.code);
      var again = !status || status === 408 || status === 429 || status === 502 || status === 503 || status === 504 || inFlight;
      if (again && !(options.form && status === 429 && answer.wait_s > LONG_WAIT_S)) {
        var step = Math.min(Math.pow(2, tries), 8) * 1000;
        wait = Math.max(step, answer.wait_s * 1000) + Math.random() * step;
        if (new Date().getTime() + wait - began < GIVE_UP_MS) {
          tries += 1;
          later(wait, !status);
          return;
        }
      }
      answer.gaveUp = again;
      done(answer);
    }

    function later(wait, noSignal) {
      var timer, gone = false;
      function go() {
        if (gone) { return; }
        gone = true;
        clearTimeout(timer);
        if (wake === go) { wake = null; }
        attempt();
      }
      timer = setTimeout(go, wait);
      if (options.quiet) { return; }
      wake = noSignal ? go : null;
      show({ icon: 'busy', head: noSignal ? 'badSignal' : 'crowded', text: 'keepOpen' });
    }

    if (options.busy) { busy(options.busy); }
    attempt();
  }

  // ---- 1. The code becomes a proof, before anything that takes time.

  function start() {
    var code = location.pathname.replace(/\/+$/, '').split('/').pop();
    try { code = decodeURIComponent(code); } catch (e) { /* as it is */ }
    run += 1;
    page = page || load('sessionStorage', 'page');
    if (page && page.code !== code) { page = null; }
    if (page && page.done) { show({ icon: 'ok', done: page.done }); return; }
    if (hasProof()) { identify(); return; }
    page = null;
    post('/check-in-proofs', { code: code, device_id: deviceId }, { busy: 'reading', need: 'proof' }, function (answer) {
      if (answer.status !== 201 && answer.status !== 200) { refuse(answer, start); return; }
      var now = new Date();
      page = {
        code: code,
        proof: answer.body.proof,
        until: now.getTime() + (answer.body.expires_in_s || 600) * 1000,
        at: now.toISOString(),
        event: answer.body.event || {}
      };
      save('sessionStorage', 'page', page);
      identify();
    });
  }

  function hasProof() { return !!(page && page.proof && page.until > new Date().getTime()); }

  // ---- 2 and 3. Who is it?

  function identify() {
    if (access) { checkIn(); } else if (session && session.refresh_token) { refresh(); } else { askLogin(); }
  }

  function askLogin(error) { show({ icon: '', head: 'pleaseLogIn', text: 'codeKept', form: 'login', error: error }); }

  function askActivation() { show({ icon: '', head: 'pleaseActivate', form: 'activate' }); }

  function openSession(body, keep, who) {
    var member = body.member || {};
    access = body.access_token;
    session = { refresh_token: body.refresh_token, who: member.id || who || uuid(), name: member.name || '' };
    if (keep) { save('localStorage', 'session', session); } else { forget('localStorage', 'session'); }
    session.kept = keep;
  }

  function closeSession() {
    access = null;
    session = null;
    forget('localStorage', 'session');
  }

  function refresh() {
    var old = session, kept = old.kept !== false;
    post('/auth/refresh', { refresh_token: old.refresh_token, device_id: deviceId }, { busy: 'loggingIn', need: 'access_token' }, function (answer) {
      if (answer.status === 200 || answer.status === 201) {
        if (!answer.body.refresh_token) { answer.body.refresh_token = old.refresh_token; }
        if (!answer.body.member) { answer.body.member = { name: old.name }; }
        openSession(answer.body, kept, old.who);
        checkIn();
      } else if (answer.gaveUp || answer.status >= 500) {
        refuse(answer, start);
      } else {
        if (answer.status === 401) { closeSession(); }
        askLogin('sessionEnded');
      }
    });
  }

  function submit(form, path, body, secret, keepBox) {
    if (!secret.value || !(body.account || body.code)) {
      show({ icon: '', head: view.head, text: view.text, form: form, error: 'fillBoth' });
      return;
    }
    var head = view.head, text = view.text;
    run += 1;
    authTries = 0;
    post(path, body, { busy: 'loggingIn', need: 'access_token', form: true }, function (answer) {
      if (answer.status === 200 || answer.status === 201) {
        secret.value = '';
        openSession(answer.body, byId(keepBox).checked, null);
        checkIn();
        return;
      }
      var back = { icon: '', head: head, text: text, form: form, error: 'failed_' };
      if (answer.status === 429) {
        back.error = 'rate_limited_';
        back.n = minutes(answer.wait_s);
      } else if (answer.gaveUp) {
        back.error = 'offline_';
      } else if (answer.code === 'password_too_weak' && answer.body.min_length > 0) {
        back.error = 'passwordMin';
        back.n = answer.body.min_length;
      } else if (answer.code === 'invalid_credentials' || answer.code === 'activation_code_invalid' || answer.code === 'password_too_weak') {
        back.error = answer.code;
      } else if (answer.body.detail) {
        back.errorDetail = String(answer.body.detail);
      }
      show(back);
      secret.focus();
    });
  }

  function isKnown(code) { return code === 'already_checked_in' || code === 'already_checked_out'; }

  function minutes(seconds) { return Math.max(1, Math.ceil(seconds / 60)); }

  // ---- 4. The check-in. Its id outlives a reload until the server has given a definite answer; another person gets another id.

  var authTries = 0;

  // Each point of an event is a check-in of its own.
  function eventKey() {
    var point = page.event.checkpoint;
    return 'check_in.' + page.event.id + (point ? '.' + point.id : '');
  }

  function clientEvent(fresh) {
    var key = eventKey(), kept = load('localStorage', key);
    if (fresh || !kept || kept.who !== session.who) {
      kept = { id: uuid(), who: session.who };
      save('localStorage', key, kept);
    }
    return kept.id;
  }

  function checkIn(fresh) {
    if (!hasProof()) { refuse({ status: 410, code: 'expired_code', body: {} }, null); return; }
    var body = { proof: page.proof, client_event_id: clientEvent(fresh), occurred_at: page.at, device_id: deviceId };
    if (place) { body.location = place; }
    post('/check-ins', body, { busy: 'checkingIn', need: 'id', bearer: access, hot: true }, function (answer) {
      var known = isKnown(answer.code), recorded = answer.status === 200 || answer.status === 201;
      // An id whose record was annulled meanwhile finds that record again: it no longer makes anybody present.
      var passage = answer.body.passage || {};
      var stale = recorded ? !!(answer.body.annulled_at || passage.annulled_at) : answer.code === 'client_event_id_reused';
      if (known || (recorded && !stale)) {
        succeed(known ? answer.body.check_in || {} : answer.body, known);
      } else if (answer.status === 401) {
        access = null;
        authTries += 1;
        if (authTries < 2) { refresh(); } else { closeSession(); askLogin('sessionEnded'); }
      } else if (stale && !fresh) {
        checkIn(true);
      } else if (answer.code === 'location_required' && !place) {
        findPlace();
      } else {
        if (answer.code && answer.status < 500 && !answer.gaveUp) { forget('localStorage', eventKey()); }
        refuse(answer, start);
      }
    });
  }

  // Asked of the phone only when the event asks for it, sent with this check-in, kept nowhere.
  var place = null;

  function findPlace() {
    var mine = run;
    function refused() {
      if (mine === run) { show({ icon: 'stop', head: 'location_required', text: 'location_required_', again: findPlace }); }
    }
    if (!navigator.geolocation) { refused(); return; }
    busy('findingPlace');
    navigator.geolocation.getCurrentPosition(function (found) {
      place = { latitude: found.coords.latitude, longitude: found.coords.longitude, accuracy_m: Math.min(found.coords.accuracy, 100000) };
      if (mine === run) { checkIn(false); }
    }, refused, { enableHighAccuracy: true, timeout: 20000, maximumAge: 30000 });
  }

  function succeed(record, already) {
    forget('localStorage', eventKey());
    place = null;
    var passage = record.passage, shown = passage || record;
    page.done = { record: { status: record.status, occurred_at: shown.occurred_at, received_at: shown.received_at, review: record.review, reviewed_at: record.reviewed_at }, already: already, name: session.name };
    if (passage) {
      page.done.record.point = passage.checkpoint.kind;
      page.done.record.first = passage.received_at === record.received_at;
    }
    save('sessionStorage', 'page', page);
    show({ icon: 'ok', done: page.done });
    if (!already) { page.done.already = true; save('sessionStorage', 'page', page); }
  }

  // Words of our own for the codes we know, the server's `detail` for the others, and always what to do next.
  function refuse(answer, retry) {
    var next = { icon: 'stop', head: 'failed', text: 'failed_', again: retry };
    if (answer.status === 429) {
      next.head = 'rate_limited';
      next.text = 'rate_limited_';
      next.n = minutes(answer.wait_s);
    } else if (answer.gaveUp) {
      next.head = 'offline';
      next.text = 'offline_';
    } else if (hasWords(answer.code)) {
      next.head = answer.code;
      next.text = answer.code + '_';
      next.again = null;
      if (answer.code === 'not_open_yet' && !isNaN(parseInstant(answer.body.opens_at))) {
        next.text = 'opensAt';
        next.at = parseInstant(answer.body.opens_at);
      }
      if (answer.code === 'expired_code' || answer.code === 'invalid_code') { dropProof(); }
    } else if (answer.body.detail) {
      next.detail = String(answer.body.detail);
    }
    show(next);
  }

  function dropProof() {
    if (page) { page.proof = null; }
    forget('sessionStorage', 'page');
  }

  // A shared phone: forget here first, then tell the server, then let the next person in while the proof holds.
  function logout() {
    var old = session, bearer = access;
    run += 1;
    function end(token, refreshToken) { post('/auth/logout', { refresh_token: refreshToken }, { quiet: true, bearer: token }, function () { /* best effort */ }); }
    closeSession();
    authTries = 0;
    if (page) { delete page.done; save('sessionStorage', 'page', page); }
    if (bearer && old) {
      end(bearer, old.refresh_token);
    } else if (old && old.refresh_token) {
      post('/auth/refresh', { refresh_token: old.refresh_token, device_id: deviceId }, { quiet: true, need: 'access_token' }, function (answer) {
        if (answer.body.access_token) { end(answer.body.access_token, answer.body.refresh_token || old.refresh_token); }
      });
    }
    byId('account').value = '';
    byId('password').value = '';
    if (hasProof()) { askLogin(); } else { refuse({ status: 410, code: 'expired_code', body: {} }, null); }
  }

  // ---- Wiring.

  function on(id, name, handler) {
    byId(id).addEventListener(name, function (event) {
      event.preventDefault();
      handler(event);
    }, false);
  }

  function togglesPassword(box, field) {
    byId(box).addEventListener('change', function () { byId(field).type = this.checked ? 'text' : 'password'; }, false);
  }

  function trimmed(id) { return byId(id).value.replace(/^\s+|\s+$/g, ''); }

  function init() {
    on('login', 'submit', function () {
      submit('login', '/auth/login', { account: trimmed('account'), password: byId('password').value, device_id: deviceId }, byId('password'), 'login-keep');
    });
    on('activate', 'submit', function () {
      submit('activate', '/auth/activations', { code: trimmed('activation'), password: byId('new-password').value, device_id: deviceId }, byId('new-password'), 'activate-keep');
    });
    on('to-activate', 'click', askActivation);
    on('to-login', 'click', function () { askLogin(); });
    // Behind the #, so that no server is told: the guests' page goes on with this proof.
    on('to-guest', 'click', function () {
      if (page) { location.href = '/g/check-in#' + encodeURIComponent(JSON.stringify({ proof: page.proof, device_id: deviceId, event: page.event })); }
    });
    on('logout', 'click', logout);
    on('again', 'click', function () {
      var retry = view.again;
      if (retry) { authTries = 0; retry(); }
    });
    on('languages', 'click', function (event) {
      var chosen = event.target.getAttribute('data-lang');
      if (LANGUAGES.indexOf(chosen) >= 0) {
        language = chosen;
        save('localStorage', 'language', chosen);
        paint();
      }
    });
    togglesPassword('login-show', 'password');
    togglesPassword('activate-show', 'new-password');
    window.addEventListener('online', function () { if (wake) { wake(); } }, false);
    start();
  }

  if (document.readyState === 'loading') { document.addEventListener('DOMContentLoaded', init, false); } else { init(); }
}());
