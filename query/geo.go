package query

import (
	"math"

	"github.com/replicad/replicad/ddp/ejson"
)

// earthRadius is MongoDB's, in metres.
const earthRadius = 6378100

// point is a place: longitude and latitude, or x and y.
type point struct{ x, y float64 }

// plane distance, as of legacy coordinate pairs.
func (p point) plane(q point) float64 { return math.Hypot(p.x-q.x, p.y-q.y) }

// sphere returns the angle between two places, in radians.
func (p point) sphere(q point) float64 {
	lat1, lat2 := radians(p.y), radians(q.y)
	s, t := math.Sin((lat2-lat1)/2), math.Sin(radians(q.x-p.x)/2)
	a := s*s + math.Cos(lat1)*math.Cos(lat2)*t*t
	return 2 * math.Atan2(math.Sqrt(a), math.Sqrt(math.Max(0, 1-a)))
}

func radians(deg float64) float64 { return deg * math.Pi / 180 }

// pointOf reads a GeoJSON point, or a legacy pair: a list or document that
// begins with two numbers.
func pointOf(v ejson.Value) (point, bool) {
	switch v.Kind() {
	case ejson.List:
		if list := v.Array(); list.Len() >= 2 {
			x, y := list.At(0), list.At(1)
			return point{x.Number(), y.Number()}, x.Kind() == ejson.Number && y.Kind() == ejson.Number
		}
	case ejson.Object:
		d := v.Doc()
		if t := d.Field("type"); t.Kind() == ejson.String {
			if c := d.Field("coordinates"); t.Str() == "Point" && c.Kind() == ejson.List {
				return pointOf(c)
			}
			return point{}, false
		}
		if d.Len() >= 2 {
			_, x := d.At(0)
			_, y := d.At(1)
			return point{x.Number(), y.Number()}, x.Kind() == ejson.Number && y.Kind() == ejson.Number
		}
	}
	return point{}, false
}

// near is $near and $nearSphere. It holds for places between two distances, and
// is an order besides.
type near struct {
	path      path
	from      point
	scale     float64 // of the angle, for distances on the sphere; 0: on the plane
	low, high float64
}

func (p *near) test(v ejson.Value) bool {
	d, ok := p.to(v)
	return ok && d >= p.low && d <= p.high
}

func (p *near) to(v ejson.Value) (float64, bool) {
	q, ok := pointOf(v)
	if !ok {
		return 0, false
	}
	d := p.from.plane(q)
	if p.scale != 0 {
		d = p.from.sphere(q) * p.scale
	}
	return d, !math.IsNaN(d)
}

// distance returns that of the nearest place of a document within the limits,
// and +Inf where it has none.
func (p *near) distance(d ejson.Doc) float64 {
	n := nearest{near: p, best: math.Inf(1)}
	seek(d.Value(), p.path.segs, &n, false, -1)
	return n.best
}

// nearest notes the shortest distance among the branches that it is shown.
type nearest struct {
	near *near
	best float64
}

func (n *nearest) test(v ejson.Value) bool {
	if d, ok := n.near.to(v); ok && d >= n.near.low && d <= n.near.high {
		n.best = math.Min(n.best, d)
	}
	return false
}

// geo compiles the geographic operators; d holds op and its neighbours.
func (c *compiler) geo(at, op string, v ejson.Value, d ejson.Doc) (clause, error) {
	switch op {
	case "$maxDistance", "$minDistance":
		if d.Field("$near").IsMissing() && d.Field("$nearSphere").IsMissing() {
			return clause{}, syntaxError(at, op, "stands beside a $near, and there is none")
		}
		return clause{}, nil
	case "$geoWithin", "$within":
		p, err := withinPred(at, op, v)
		return clause{pred: p, price: 30}, err
	}
	if c.nested > 0 || c.near != nil {
		return clause{}, syntaxError(at, op, "may stand once, and not inside another operator; use $geoWithin there")
	}
	n := &near{high: math.Inf(1)}
	limits := d
	if g := v.Doc().Field("$geometry"); !g.IsMissing() {
		limits = v.Doc()
		v, n.scale = g, earthRadius
	} else if op == "$nearSphere" {
		n.scale = 1 // legacy pairs on the sphere: distances in radians
	}
	var ok bool
	if n.from, ok = pointOf(v); !ok {
		return clause{}, syntaxError(at, op, "wants a point ([x, y] or {$geometry: {type: \"Point\", coordinates: [lng, lat]}}), got %s", met(v))
	}
	if err := readDistance(at, "$minDistance", limits, &n.low); err != nil {
		return clause{}, err
	}
	if err := readDistance(at, "$maxDistance", limits, &n.high); err != nil {
		return clause{}, err
	}
	return clause{pred: n, price: 30}, nil
}

func readDistance(at, name string, d ejson.Doc, into *float64) error {
	switch v := d.Field(name); {
	case v.IsMissing():
	case v.Kind() != ejson.Number || !(v.Number() >= 0):
		return syntaxError(at, name, "wants a distance from 0 up, got %s", metNumber(v))
	default:
		*into = v.Number()
	}
	return nil
}

// disc is $center and $centerSphere.
type disc struct{ near }

// area is $box, $polygon and GeoJSON polygons: rings on the plane, of which the
// first is the outline and the others are holes.
type area struct{ polygons [][][]point }

func (p *area) test(v ejson.Value) bool {
	q, ok := pointOf(v)
	if !ok {
		return false
	}
	for _, rings := range p.polygons {
		if !inRing(rings[0], q) {
			continue
		}
		hole := false
		for _, r := range rings[1:] {
			hole = hole || inRing(r, q) && !onRing(r, q)
		}
		if !hole {
			return true
		}
	}
	return false
}

// inRing counts the edges that a ray from q crosses; the edge itself is inside.
func inRing(ring []point, q point) bool {
	if onRing(ring, q) {
		return true
	}
	in := false
	for i, a := range ring {
		b := ring[(i+1)%len(ring)]
		if (a.y > q.y) != (b.y > q.y) && q.x < (b.x-a.x)*(q.y-a.y)/(b.y-a.y)+a.x {
			in = !in
		}
	}
	return in
}

func onRing(ring []point, q point) bool {
	for i, a := range ring {
		b := ring[(i+1)%len(ring)]
		cross := (b.x-a.x)*(q.y-a.y) - (b.y-a.y)*(q.x-a.x)
		if cross == 0 && q.x >= math.Min(a.x, b.x) && q.x <= math.Max(a.x, b.x) &&
			q.y >= math.Min(a.y, b.y) && q.y <= math.Max(a.y, b.y) {
			return true
		}
	}
	return false
}

func withinPred(at, op string, v ejson.Value) (pred, error) {
	if v.Kind() != ejson.Object || v.Doc().Len() != 1 {
		return nil, syntaxError(at, op, "wants one of $box, $center, $centerSphere, $polygon and $geometry, got %s", met(v))
	}
	shape, operand := v.Doc().At(0)
	bad := func() (pred, error) {
		return nil, syntaxError(at, op+" "+shape, "wants coordinates, and these are not: %s", clip(operand.String()))
	}
	switch shape {
	case "$box":
		if pts, ok := pointsOf(operand); ok && len(pts) == 2 {
			a, b := pts[0], pts[1]
			return &area{[][][]point{{{a, {b.x, a.y}, b, {a.x, b.y}}}}}, nil
		}
		return bad()
	case "$polygon":
		if pts, ok := pointsOf(operand); ok && len(pts) >= 3 {
			return &area{[][][]point{{pts}}}, nil
		}
		return bad()
	case "$center", "$centerSphere":
		list := operand.Array()
		if list.Len() != 2 || list.At(1).Kind() != ejson.Number || !(list.At(1).Number() >= 0) {
			return bad()
		}
		from, ok := pointOf(list.At(0))
		if !ok {
			return bad()
		}
		p := &disc{near{from: from, high: list.At(1).Number()}}
		if shape == "$centerSphere" {
			p.scale = 1
		}
		return p, nil
	case "$geometry":
		g := operand.Doc()
		coordinates := g.Field("coordinates")
		switch g.Field("type").Str() {
		case "Polygon":
			if rings, ok := ringsOf(coordinates); ok {
				return &area{[][][]point{rings}}, nil
			}
			return bad()
		case "MultiPolygon":
			var all [][][]point
			for _, e := range coordinates.Array().All() {
				rings, ok := ringsOf(e)
				if !ok {
					return bad()
				}
				all = append(all, rings)
			}
			if len(all) > 0 {
				return &area{all}, nil
			}
			return bad()
		}
		return nil, syntaxError(at, op+" $geometry", "wants a Polygon or a MultiPolygon, got %q", clip(g.Field("type").Str()))
	}
	return nil, unknownOperator(at, shape, []string{"$box", "$center", "$centerSphere", "$polygon", "$geometry"})
}

func pointsOf(v ejson.Value) ([]point, bool) {
	var pts []point
	for _, e := range v.Array().All() {
		p, ok := pointOf(e)
		if !ok {
			return nil, false
		}
		pts = append(pts, p)
	}
	return pts, len(pts) > 0
}

func ringsOf(v ejson.Value) ([][]point, bool) {
	var rings [][]point
	for _, e := range v.Array().All() {
		pts, ok := pointsOf(e)
		if !ok || len(pts) < 4 {
			return nil, false
		}
		rings = append(rings, pts)
	}
	return rings, len(rings) > 0
}
