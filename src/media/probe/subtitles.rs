//! WebVTT, strictly enough that a player shows it: its first line, and cues whose times make sense.

/// Hours, in milliseconds: more than any lesson lasts.
const MAX_HOURS: u64 = 99;

/// How many cues there are; None when it is no WebVTT, or has no cue that a player would show.
pub fn check(bytes: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.contains('\0') {
        return None;
    }
    let mut lines = text.lines();
    let first = lines.next()?.strip_prefix("WEBVTT")?;
    if !(first.is_empty() || first.starts_with([' ', '\t'])) {
        return None;
    }
    let (mut cues, mut last_start) = (0, 0);
    for line in lines {
        let Some((start, rest)) = line.split_once("-->") else {
            continue;
        };
        let end = rest.split_whitespace().next()?;
        let (start, end) = (time(start.trim())?, time(end)?);
        if start < last_start || end <= start {
            return None;
        }
        last_start = start;
        cues += 1;
    }
    (cues > 0).then_some(cues)
}

/// `mm:ss.ttt` or `hh:mm:ss.ttt`, in milliseconds.
fn time(text: &str) -> Option<u64> {
    let number = |text: &str, digits: usize| -> Option<u64> {
        let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse().ok() } else { None }
    };
    let (clock, ms) = text.split_once('.')?;
    let parts: Vec<&str> = clock.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [minutes, seconds] => (0, *minutes, *seconds),
        [hours, minutes, seconds] => (number(hours, 2)?, *minutes, *seconds),
        _ => return None,
    };
    let (minutes, seconds, ms) = (number(minutes, 2)?, number(seconds, 2)?, number(ms, 3)?);
    let fits = hours <= MAX_HOURS && minutes < 60 && seconds < 60;
    fits.then_some(((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_have_times_that_make_sense() {
        let good = "\u{FEFF}WEBVTT 字幕\n\nNOTE 說明\n\n1\n00:00.000 --> 00:02.500 align:start\n同志們好\n\n\
                    00:00:02.000 --> 00:00:04.000\n<v 講師>第二句\r\n";
        assert_eq!(check(good.as_bytes()), Some(2));
        let cue = |times: &str| format!("WEBVTT\n\n{times}\nx\n");
        assert_eq!(check(cue("99:59:59.000 --> 99:59:59.999").as_bytes()), Some(1));
        for bad in [
            "WEBVTT\n\nno cues\n".to_owned(),
            "WEBVTTX\n\n00:00.000 --> 00:01.000\n".to_owned(),
            cue("00:01.000 --> 00:01.000"),
            cue("00:02.000 --> 00:01.000"),
            cue("00:00.00 --> 00:01.000"),
            cue("00:60.000 --> 01:01.000"),
            cue("1:00:00.000 --> 01:00:01.000"),
            cue("00:00,000 --> 00:01,000"),
            cue("00:00.000 -->"),
            format!("{}00:01.000 --> 00:03.000\n", cue("00:02.000 --> 00:03.000")),
            cue("00:00.000 --> 00:01.000\n\0"),
        ] {
            assert_eq!(check(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(check(b"WEBVTT\n\n00:00.000 --> 00:01.000\n\xFF\n"), None);
    }
}
