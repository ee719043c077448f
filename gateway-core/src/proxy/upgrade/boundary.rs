//! Where one WebSocket frame ends and the next begins (RFC 6455, section 5.2), without reading what they say.

/// Follows one direction of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    /// Of the head that is being read; 14 bytes at most.
    head: [u8; 14],
    head_length: usize,
    /// Of the payload that is still to come.
    payload_left: u64,
}

impl Boundary {
    /// Whether the bytes so far end with a whole frame, so that another one can be put behind them.
    pub(super) fn is_clear(&self) -> bool {
        self.head_length == 0 && self.payload_left == 0
    }

    /// Takes note of the next bytes.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= skipped;
                bytes = bytes
                    .get(usize::try_from(skipped).unwrap_or(usize::MAX)..)
                    .unwrap_or_default();
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return;
            };
            bytes = rest;
            if let Some(place) = self.head.get_mut(self.head_length) {
                *place = *byte;
            }
            self.head_length += 1;
            if let Some(length) = payload_length(&self.head, self.head_length) {
                self.payload_left = length;
                self.head_length = 0;
            }
        }
    }
}

/// The length a head says, if it is whole.
fn payload_length(head: &[u8; 14], known: usize) -> Option<u64> {
    let [_, second, long @ ..] = head;
    if known < 2 {
        return None;
    }
    let (extended, length) = match second & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes([long[0], long[1]]))),
        127 => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&long[..8]);
            (8, u64::from_be_bytes(bytes))
        }
        short => (0, u64::from(short)),
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    (known >= 2 + extended + mask).then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(masked: bool, length: usize) -> Vec<u8> {
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(mask_bit | u8::try_from(length).unwrap()),
            126..65536 => {
                frame.push(mask_bit | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask_bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.extend(std::iter::repeat_n(0x81, length));
        frame
    }

    proptest! {
        #[test]
        fn it_is_clear_exactly_between_frames(
            frames in prop::collection::vec((any::<bool>(), prop_oneof![0..130_usize, 65_530..65_540_usize]), 1..4),
            piece in 1..5000_usize,
        ) {
            let mut ends = vec![0];
            let mut all = Vec::new();
            for (masked, length) in frames {
                all.extend(frame(masked, length));
                ends.push(all.len());
            }
            let mut boundary = Boundary::default();
            let mut passed = 0;
            for bytes in all.chunks(piece) {
                prop_assert_eq!(boundary.is_clear(), ends.contains(&passed));
                boundary.follow(bytes);
                passed += bytes.len();
            }
            prop_assert!(boundary.is_clear());
        }
    }
}
