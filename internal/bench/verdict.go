package main

// A verdict contains the result of the rounds for a bar.
type verdict struct {
	bar
	ours, theirs, ratio summary // without a peer, only ours is set
	err                 error
}

// judge compares the results of MemoryKV and the peer, round by round.
func (b bar) judge(done outcomes) verdict {
	jobs := b.jobs()
	ours, err := done.values(jobs[0], b.metric)
	if err != nil || b.peer == "" {
		return verdict{bar: b, ours: summarize(ours), err: err}
	}
	theirs, err := done.values(jobs[1], b.peerMetric)
	if err != nil {
		return verdict{bar: b, err: err}
	}
	ratios := make([]float64, len(ours))
	for round := range ours {
		ratios[round] = ours[round] / theirs[round]
	}
	return verdict{bar: b, ours: summarize(ours), theirs: summarize(theirs), ratio: summarize(ratios)}
}

// measuredValue returns the value that must be at most atMost.
func (v verdict) measuredValue() float64 {
	if v.peer == "" {
		return v.ours.median
	}
	return v.ratio.median
}

func (v verdict) passes() bool { return v.err == nil && v.measuredValue() <= v.atMost }

func (v verdict) String() string {
	switch {
	case v.err != nil:
		return "**FAIL**: not measured"
	case !v.passes():
		return "**FAIL**"
	case v.aim == 0:
		return "pass"
	case v.measuredValue() <= v.aim:
		return "pass, aim reached"
	}
	return "pass, aim missed"
}

var verdictHead = []string{"work", "ours", "peer", "ratio: median (min–max)", "at most", "aim", ""}

func (v verdict) row() []string {
	unit := "×"
	if v.peer == "" {
		unit = v.metric.unit()
	}
	row := []string{v.title, "–", v.peer, "–", amount(v.atMost, unit), "–", v.String()}
	if v.aim > 0 {
		row[5] = amount(v.aim, unit)
	}
	if v.err != nil {
		return row
	}
	row[1] = amount(v.ours.median, v.metric.unit())
	if v.peer == "" {
		row[1] += v.ours.spread()
		return row
	}
	row[2] += " " + amount(v.theirs.median, v.peerMetric.unit())
	row[3] = amount(v.ratio.median, unit) + v.ratio.spread()
	return row
}
