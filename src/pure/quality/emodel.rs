//! The E-model: how good a telephone connection is for those who talk over it, on a scale from 0 to 100.
//!
//! ITU-T Recommendation G.107 (06/2015), narrow band; the numbers in brackets are those of its formulas. What is not
//! measured has the default of its table 1, for which the Recommendation vouches that they go together: a handset in a room of
//! 35 dB(A). Read [`Connection::rating`] and [`mos`].

/// One connection, as the model wants it. The default is table 1 of G.107: an undisturbed digital connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connection {
    /// Send loudness rating (SLR), in dB.
    pub send_loudness: f64,
    /// Receive loudness rating (RLR), in dB.
    pub receive_loudness: f64,
    /// Sidetone masking rating (STMR), in dB.
    pub sidetone: f64,
    /// D-value of the telephone at the send side (Ds) and at the receive side (Dr).
    pub d_values: (f64, f64),
    /// Talker echo loudness rating (TELR), in dB: how weak one's own echo is.
    pub talker_echo_loudness: f64,
    /// Weighted echo path loss (WEPL), in dB: how weak the other's echo is that comes round again.
    pub echo_path_loss: f64,
    /// Mean one-way delay of the echo path (T), in ms.
    pub echo_delay_ms: f64,
    /// Round-trip delay in the closed four-wire loop (Tr), in ms.
    pub round_trip_ms: f64,
    /// Delay from mouth to ear, free of echo (Ta), in ms.
    pub delay_ms: f64,
    /// Quantising distortion units (qdu): one for each pair of coder and decoder of G.711.
    pub quantising: f64,
    /// Equipment impairment factor of the codec (Ie) and its robustness against loss (Bpl).
    pub codec: Codec,
    /// Share of the sound that was lost (Ppl), in per cent.
    pub loss_percent: f64,
    /// How much longer losses are than chance would make them (BurstR), 1 or more.
    pub burst_ratio: f64,
    /// Circuit noise at the 0 dBr point (Nc), in dBm0p.
    pub circuit_noise: f64,
    /// Noise floor at the receive side (Nfor), in dBmp.
    pub noise_floor: f64,
    /// Room noise at the send side (Ps) and at the receive side (Pr), in dB(A).
    pub room_noise: (f64, f64),
    /// What people gladly put up with for other advantages (A).
    pub advantage: f64,
}

/// What a codec does to speech: its impairment without loss (Ie) and its robustness against loss (Bpl).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Codec {
    /// Ie.
    pub impairment: f64,
    /// Bpl.
    pub robustness: f64,
}

impl Codec {
    /// G.711 where silence fills what was lost (G.113 appendix I, and G.107 table 1).
    pub const G711: Codec = Codec {
        impairment: 0.0,
        robustness: 4.3,
    };

    /// G.711 where what was lost is concealed as G.711 appendix I does it (G.113 appendix I, packets of 10 ms, losses by
    /// chance).
    pub const G711_CONCEALED: Codec = Codec {
        impairment: 0.0,
        robustness: 25.1,
    };
}

impl Default for Connection {
    fn default() -> Self {
        Connection {
            send_loudness: 8.0,
            receive_loudness: 2.0,
            sidetone: 15.0,
            d_values: (3.0, 3.0),
            talker_echo_loudness: 65.0,
            echo_path_loss: 110.0,
            echo_delay_ms: 0.0,
            round_trip_ms: 0.0,
            delay_ms: 0.0,
            quantising: 1.0,
            codec: Codec::G711,
            loss_percent: 0.0,
            burst_ratio: 1.0,
            circuit_noise: -70.0,
            noise_floor: -64.0,
            room_noise: (35.0, 35.0),
            advantage: 0.0,
        }
    }
}

impl Connection {
    /// Returns the transmission rating factor R (7-1); 93.2 for the default, and never below 0 or above 100 here.
    #[must_use]
    pub fn rating(&self) -> f64 {
        let noise = self.noise();
        let signal_to_noise = 15.0 - 1.5 * (self.send_loudness + noise); // (7-2)
        let sidetone_impairment = self.sidetone_impairment();
        let simultaneous = self.too_loud(noise)
            + sidetone_impairment
            + quantising_impairment(signal_to_noise, self.quantising); // (7-8)
        let delay = self.talker_echo_impairment(noise, sidetone_impairment)
            + self.listener_echo_impairment(signal_to_noise)
            + delay_impairment(self.delay_ms); // (7-18)
        let rating =
            signal_to_noise - simultaneous - delay - self.loss_impairment() + self.advantage;
        rating.clamp(0.0, 100.0)
    }

    /// The sum of all noise, referred to the 0 dBr point, No (7-3).
    fn noise(&self) -> f64 {
        let (sent, received) = self.room_noise;
        let (send_d, receive_d) = self.d_values;
        let overall = self.send_loudness + self.receive_loudness;
        let sent = sent - self.send_loudness - send_d - 100.0
            + 0.004 * (sent - overall - send_d - 14.0).powi(2); // (7-4)
        let listener_sidetone = self.sidetone + receive_d;
        let effective = received + db(1.0 + power((10.0 - listener_sidetone) / 10.0)); // (7-6)
        let received =
            self.receive_loudness - 121.0 + effective + 0.008 * (effective - 35.0).powi(2); // (7-5)
        let floor = self.noise_floor + self.receive_loudness; // (7-7)
        db([self.circuit_noise, sent, received, floor]
            .map(|noise| power(noise / 10.0))
            .iter()
            .sum())
    }

    /// What too loud a connection spoils, Iolr (7-9).
    fn too_loud(&self, noise: f64) -> f64 {
        let overall = self.send_loudness + self.receive_loudness;
        let x = overall + 0.2 * (64.0 + noise - self.receive_loudness); // (7-10)
        20.0 * (root(1.0 + (x / 8.0).powi(8), 8.0) - x / 8.0)
    }

    /// What a sidetone that is not right spoils, Ist (7-11).
    fn sidetone_impairment(&self) -> f64 {
        let masked = -db(power(-self.sidetone / 10.0)
            + (-self.echo_delay_ms / 4.0).exp() * power(-self.talker_echo_loudness / 10.0)); // (7-12)
        12.0 * root(1.0 + ((masked - 13.0) / 6.0).powi(8), 8.0)
            - 28.0 * root(1.0 + ((masked + 1.0) / 19.4).powi(35), 35.0)
            - 13.0 * root(1.0 + ((masked - 3.0) / 33.0).powi(13), 13.0)
            + 29.0
    }

    /// What one's own echo spoils, Idte (7-19).
    fn talker_echo_impairment(&self, noise: f64, sidetone_impairment: f64) -> f64 {
        let t = self.echo_delay_ms;
        if t < 1.0 {
            // So short an echo is sidetone.
            return 0.0;
        }
        let mut heard = self.talker_echo_loudness
            - 40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10()
            + 6.0 * (-0.3 * t * t).exp(); // (7-22)
        if self.sidetone < 9.0 {
            heard += sidetone_impairment / 2.0; // (7-23)
        }
        let quiet = -1.5 * (noise - self.receive_loudness); // (7-20)
        let echo = 80.0 + 2.5 * (heard - 14.0); // (7-21)
        let half = (quiet - echo) / 2.0;
        let impairment = (half + half.hypot(10.0) - 1.0) * (1.0 - (-t).exp());
        if self.sidetone > 20.0 {
            impairment.hypot(sidetone_impairment) // (7-24)
        } else {
            impairment
        }
    }

    /// What the other's echo that comes round again spoils, Idle (7-25).
    fn listener_echo_impairment(&self, signal_to_noise: f64) -> f64 {
        let echo = 10.5 * (self.echo_path_loss + 7.0) * (self.round_trip_ms + 1.0).powf(-0.25); // (7-26)
        let half = (signal_to_noise - echo) / 2.0;
        half + half.hypot(13.0)
    }

    /// What the codec and losses spoil, Ie,eff: the last formula of clause 7.5.
    fn loss_impairment(&self) -> f64 {
        let Codec {
            impairment,
            robustness,
        } = self.codec;
        let loss = self.loss_percent.clamp(0.0, 100.0);
        impairment + (95.0 - impairment) * loss / (loss / self.burst_ratio.max(1.0) + robustness)
    }
}

/// What quantising spoils, Iq (7-13).
fn quantising_impairment(signal_to_noise: f64, units: f64) -> f64 {
    let q = 37.0 - 15.0 * units.log10(); // (7-17)
    let g = 1.07 + 0.258 * q + 0.0602 * q * q; // (7-16)
    let y = (signal_to_noise - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0; // (7-14)
    let z = 46.0 / 30.0 - g / 40.0; // (7-15)
    1.5 * db(1.0 + power(y) + power(z))
}

/// What too long a delay spoils, even without any echo, Idd (7-27 and 7-28): with the sensitivity of an ordinary
/// conversation, which are the defaults mT = 100 ms and sT = 1.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2(); // (7-29)
    25.0 * (root(1.0 + x.powi(6), 6.0) - 3.0 * root(1.0 + (x / 3.0).powi(6), 6.0) + 2.0)
}

/// Returns the mean opinion score, 1 (bad) to 4.5, that goes with a rating: MOS-CQE of G.107 annex B (B-4).
#[must_use]
pub fn mos(rating: f64) -> f64 {
    // Between 0 and 6.5 the polynomial falls a little below the worst mark there is.
    let r = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

fn power(bels: f64) -> f64 {
    10_f64.powf(bels)
}

fn db(power: f64) -> f64 {
    10.0 * power.log10()
}

fn root(value: f64, degree: f64) -> f64 {
    value.powf(1.0 / degree)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A connection with the same delay both ways, and echo as weak as `talker_echo_loudness`.
    fn delayed(delay_ms: f64, talker_echo_loudness: f64) -> Connection {
        Connection {
            delay_ms,
            echo_delay_ms: delay_ms,
            round_trip_ms: 2.0 * delay_ms,
            talker_echo_loudness,
            ..Connection::default()
        }
    }

    #[test]
    fn the_default_connection_has_the_rating_that_the_recommendation_gives_it() {
        // G.107, clause 7.7: R = 93.2, which is a MOS of 4.41.
        let rating = Connection::default().rating();
        assert!((rating - 93.2).abs() < 0.05, "{rating}");
        assert!((mos(rating) - 4.41).abs() < 0.005, "{}", mos(rating));
    }

    #[test]
    fn ratings_are_worth_what_annex_b_says() {
        // Table B.1; what it gives for 80 is rounded up.
        for (rating, score) in [
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
        ] {
            assert!(
                (mos(rating) - score).abs() < 0.01,
                "{rating}: {}",
                mos(rating)
            );
        }
        assert_eq!(mos(-5.0), 1.0);
        assert_eq!(mos(0.0), 1.0);
        assert_eq!(mos(100.0), 4.5);
        assert_eq!(mos(120.0), 4.5);
    }

    #[test]
    fn delay_and_codec_together_cost_what_was_published_for_eleven_codecs() {
        // De Vleeschauwer, Janssen and Petit, "Delay and distortion bounds for packetized voice calls of traditional PSTN
        // quality", Telektronikk 2001, table 3: for each codec (here by its Ie) the delay at which R = 70, without echo and
        // with an echo loss of 50 dB (TELR 60). Their undisturbed call is "about 94", so that 24 are spent at the bound.
        for (impairment, no_echo, with_echo) in [
            (0.0, 400.0, 291.0),
            (2.0, 375.0, 276.0),
            (5.0, 342.0, 256.0),
            (7.0, 322.0, 243.0),
            (10.0, 294.0, 223.0),
            (15.0, 251.0, 187.0),
            (19.0, 219.0, 131.0),
            (20.0, 210.0, 106.0),
            (23.0, 177.0, 29.0),
        ] {
            for (delay, echo) in [(no_echo, 200.0), (with_echo, 60.0)] {
                let codec = Codec {
                    impairment,
                    ..Codec::G711
                };
                let rating = Connection {
                    codec,
                    ..delayed(delay, echo)
                }
                .rating();
                let spent = Connection::default().rating() - rating;
                assert!(
                    (spent - 24.2).abs() < 0.3,
                    "Ie {impairment}, {delay} ms: {spent}"
                );
            }
        }
    }

    #[test]
    fn delay_costs_about_what_its_usual_approximation_says() {
        // Cole and Rosenbluth, "Voice over IP performance monitoring", CCR 31(2), 2001: Id = 0.024 d + 0.11 (d - 177.3) for
        // d beyond 177.3 ms, made for the default echo and delays up to 400 ms.
        for delay in [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0] {
            let cost = Connection::default().rating() - delayed(delay, 65.0).rating();
            let approximation = 0.024 * delay + 0.11 * (delay - 177.3_f64).max(0.0);
            assert!(
                (cost - approximation).abs() < 1.5,
                "{delay} ms: {cost} for {approximation}"
            );
        }
    }

    #[test]
    fn lost_sound_costs_what_was_found_for_g711() {
        // G.113 (02/2001) appendix I, table I.2: Ie of G.711 with concealment under random loss, in steps of 5.
        for (loss_percent, impairment) in [
            (2.0, 7.0),
            (3.0, 10.0),
            (5.0, 15.0),
            (7.0, 20.0),
            (10.0, 25.0),
        ] {
            let cost = cost_of_loss(Codec::G711_CONCEALED, loss_percent);
            assert!((cost - impairment).abs() < 2.5, "{loss_percent} %: {cost}");
        }
        // And without, where 2 % cost 35 and 5 % cost 55.
        for (loss_percent, impairment) in [(2.0, 35.0), (3.0, 45.0), (5.0, 55.0)] {
            let cost = cost_of_loss(Codec::G711, loss_percent);
            assert!((cost - impairment).abs() < 6.5, "{loss_percent} %: {cost}");
        }
    }

    fn cost_of_loss(codec: Codec, loss_percent: f64) -> f64 {
        let lossy = Connection {
            codec,
            loss_percent,
            ..Connection::default()
        };
        Connection::default().rating() - lossy.rating()
    }

    #[test]
    fn loss_in_bursts_is_worse_than_loss_by_chance() {
        let lossy = |burst_ratio| {
            Connection {
                codec: Codec::G711_CONCEALED,
                loss_percent: 3.0,
                burst_ratio,
                ..Connection::default()
            }
            .rating()
        };
        assert!(lossy(2.0) < lossy(1.0));
        assert_eq!(lossy(0.1), lossy(1.0), "nothing is more even than chance");
    }

    #[test]
    fn an_echo_ruins_a_call_where_it_is_late_and_hardly_weakened() {
        // The echo passes both telephones' ends (G.131 annex A): 10 dB for the two of the default.
        let both_ends =
            Connection::default().send_loudness + Connection::default().receive_loudness;
        let heard = |loss| delayed(100.0, both_ends + loss).rating();
        assert!(heard(20.0) < 40.0, "{}", heard(20.0));
        assert!(heard(55.0) > 90.0, "{}", heard(55.0));
    }

    proptest! {
        #[test]
        fn more_of_anything_bad_is_never_better(
            delay in 0.0..2_000.0_f64,
            more in 0.0..500.0_f64,
            loss in 0.0..100.0_f64,
            echo in 0.0..80.0_f64,
        ) {
            let one = Connection { loss_percent: loss, ..delayed(delay, echo) };
            let rating = one.rating();
            prop_assert!((0.0..=100.0).contains(&rating));
            prop_assert!((1.0..=4.5).contains(&mos(rating)));
            let longer = Connection { loss_percent: loss, ..delayed(delay + more, echo) };
            // A very short echo is a little like sidetone, which does good.
            prop_assert!(longer.rating() <= rating + 0.2);
            let lossier = Connection { loss_percent: (loss + more / 5.0).min(100.0), ..one };
            prop_assert!(lossier.rating() <= rating);
        }
    }
}
