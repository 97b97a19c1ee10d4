"""Draw synthetic serial-section electron micrographs with exact labels from a seed.

The images have the difficulties of real ones: cells of very different sizes with dark membranes
that fade where they are cut obliquely, striped mitochondria, dark synapses on membranes, gray
extracellular wedges, and a cytoplasm with vesicles, granules and smears whose gray values overlap
with those of the other classes. Consecutive slices are independent. The images do not replace real
data.
"""

import numpy as np
from scipy import ndimage

MIN_SIZE = 128

# The label values of the stack of Gerhard et al. (doi:10.6084/m9.figshare.856713).
MEMBRANES = np.array([0, 32, 64, 96], dtype=np.uint8)  # at 0, 45, 90 and 135 degrees
EXTRACELLULAR, MITOCHONDRIA, SYNAPSE, INTRACELLULAR = 159, 191, 223, 255

# Fractions of the pixels at which drawing a class stops; membranes take about a sixth.
EXTRACELLULAR_FRACTION, MITOCHONDRIA_FRACTION, SYNAPSE_FRACTION = 0.03, 0.048, 0.005


def synthetic_slice(size: int, *, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one slice, which depends only on the three arguments.

    Args:
        size: Height and width in pixels, at least ``MIN_SIZE``.
        seed: Seed of the stack, not negative.
        index: Number of the slice.

    Returns:
        The image and the labels in the stack's official values, both (size, size) and uint8.

    Raises:
        ValueError: If ``size`` is below ``MIN_SIZE``.
    """
    if size < MIN_SIZE:
        raise ValueError(f'size is {size}, but a slice needs at least {MIN_SIZE} pixels per side')
    tissue = _Tissue(size, np.random.Generator(np.random.PCG64([seed, index])))
    tissue.draw_cytoplasm()
    tissue.draw_membranes()
    tissue.add_mitochondria()
    tissue.add_synapses()
    return tissue.photograph(), tissue.labels


class _Tissue:
    """Geometry of one slice, and the image and labels drawn from it."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size, self.rng = size, rng
        self.rows, self.cols = np.mgrid[:size, :size].astype(float)
        self.cells = self._draw_cells()
        low, high = ndimage.minimum_filter(self.cells, 3), ndimage.maximum_filter(self.cells, 3)
        corners = np.zeros((size, size), dtype=bool)  # where a third cell is near
        for shift in ((0, 0), (0, 1), (1, 0), (1, 1)):
            near = np.roll(self.cells, shift, (0, 1))
            corners |= (near != low) & (near != high)
        self.half_width = np.clip(2.05 + 0.75 * self.noise(30), 1.4, 4.5)  # of the membranes
        depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(low == high), 0.7)
        # Distance from the middle of the membrane; negative between the cells.
        self.depth = depth - self._gap(depth, ndimage.distance_transform_edt(~corners))
        self.image = np.zeros((size, size))
        self.labels = np.full((size, size), INTRACELLULAR, dtype=np.uint8)

    def noise(self, scale: float) -> np.ndarray:
        """Draw smooth noise of about unit variance that varies over ``scale`` pixels."""
        scale *= 0.8
        start, inner = np.divmod(np.arange(self.size) / scale, 1)
        taps = start.astype(int) + np.arange(4)[:, None]
        first, last = (1 - inner) ** 3 / 6, inner**3 / 6  # weights of the cubic B-spline
        second = 2 / 3 - inner**2 * (2 - inner) / 2
        weights = np.stack([first, second, 1 - first - second - last, last])
        field = self.rng.standard_normal((taps.max() + 1, taps.max() + 1))
        for _ in range(2):  # along the columns, then along the rows
            field = np.einsum('ks,ksn->ns', weights, field[taps])
        return 2.1 * field

    def _draw_cells(self) -> np.ndarray:
        """Assign cell numbers by a weighted, elongated and warped Voronoi diagram."""
        margin = 60
        tries = (self.size + 2 * margin) ** 2 // 100
        centers = self.rng.uniform(-margin, self.size + margin, (tries, 2))
        radii = np.sort(np.exp(self.rng.normal(2.3, 0.8, tries)).clip(9, 80))[::-1]
        chosen: list[int] = []
        for i in range(tries):  # large cells first; small ones fill the rest
            apart = np.hypot(*(centers[chosen] - centers[i]).T)
            if np.all(apart > 0.95 * (radii[chosen] + radii[i])):
                chosen.append(i)
        rows = self.rows + 7 * self.noise(36) + 1.6 * self.noise(11)
        cols = self.cols + 7 * self.noise(36) + 1.6 * self.noise(11)
        direction = 1.6 * self.noise(self.size / 2.5)  # neighbors run in parallel
        nearest = np.full((self.size, self.size), np.inf)
        cells = np.zeros((self.size, self.size), dtype=np.int32)
        for number, i in enumerate(chosen):
            row, col = centers[i].clip(0, self.size - 1).astype(int)
            turn, stretch = direction[row, col] + self.rng.normal(0, 0.3), self.rng.uniform(1, 1.65)
            reach = 1.65 * (radii[i] + 30) + 30  # farther away another cell is nearer
            (top, left), (bottom, right) = (centers[i] + [[-reach], [reach]]).clip(0).astype(int)
            window = np.s_[top:bottom, left:right]
            along, across = _rotate(
                rows[window] - centers[i, 0], cols[window] - centers[i, 1], turn
            )
            distance = np.hypot(along / stretch, across * stretch) - radii[i]
            closer = distance < nearest[window]
            nearest[window][closer], cells[window][closer] = distance[closer], number
        return cells

    def _gap(self, depth: np.ndarray, to_corner: np.ndarray) -> np.ndarray:
        """Compute half the width of the gap between cells, with wedges where three cells meet."""
        field = 9 * self.noise(60) + 3 * self.noise(20) - 0.28 * to_corner
        low, high = -100.0, 60.0
        for _ in range(20):  # bisect the offset for the required fraction
            middle = (low + high) / 2
            gap = np.clip(field + middle, 0, 14)
            fraction = np.mean(depth - gap < -self.half_width)
            low, high = (middle, high) if fraction < EXTRACELLULAR_FRACTION else (low, middle)
        return gap

    def draw_cytoplasm(self) -> None:
        """Draw light gray with granules, smears, vesicles and a few dense cores."""
        count = self.cells.max() + 1
        image = self.rng.normal(180, 16, count)[self.cells]
        crowd = self.rng.uniform(0.3, 1.1, count)[self.cells]
        crowd *= 0.55 + 0.45 * np.tanh(self.noise(45))
        image -= crowd * 34 * np.clip(self.noise(5) + 0.2, 0, None)
        image -= crowd * 62 * np.clip(self.noise(2.6) - 0.2, 0, 1.6)
        image -= 55 * np.clip(self.noise(28) - 1.4, 0, 1.2)  # membranes that are cut flat
        inside = self.depth > 5
        radius = np.hypot(*np.mgrid[-9:10, -9:10])
        for ring, rate in ((2.2, 6e-3), (2.9, 3.5e-3), (4.0, 7e-4), (6.5, 5e-5)):
            vesicles = inside & (self.rng.random(inside.shape) < rate * crowd)
            kernel = np.exp(-(((radius - ring) / 0.8) ** 2)) - 0.25 * (radius < ring)
            image -= ndimage.convolve(vesicles * self.rng.uniform(30, 105, inside.shape), kernel)
        cores = inside & (self.rng.random(inside.shape) < 1e-4)
        image -= 110 * ndimage.convolve(cores.astype(float), np.exp(-((radius / 3.2) ** 4)))
        self.image = image

    def draw_membranes(self) -> None:
        """Draw dark lines, wide and faint in oblique cuts, and the matter between cells."""
        matter = 88 + 20 * self.noise(20) + 22 * self.noise(2.5)
        self.image = np.where(self.depth < 0, matter, self.image)
        self.labels[self.depth < -self.half_width] = EXTRACELLULAR

        oblique = np.clip(0.5 * self.noise(40) - 0.1, 0, 1)
        width = 1.5 + 0.25 * self.half_width + 3 * oblique
        strength = np.clip(0.84 + 0.06 * self.noise(10) - 0.45 * oblique, 0.3, 0.95)
        self.image *= 1 - strength * np.exp(-((self.depth / width) ** 2))
        membrane = np.abs(self.depth) <= self.half_width
        angle = np.arctan2(*np.gradient(ndimage.gaussian_filter(np.abs(self.depth), 2)))
        self.labels[membrane] = MEMBRANES[np.round(4 * angle[membrane] / np.pi).astype(int) % 4]

    def add_mitochondria(self) -> None:
        """Draw dark, striped ellipses with a double border, in cells that are wide enough."""
        wobble_rows, wobble_cols = self.noise(22), self.noise(22)
        free = self.depth - 4  # room around each pixel
        for _ in range(60):
            if np.mean(self.labels == MITOCHONDRIA) >= MITOCHONDRIA_FRACTION or free.max() < 7:
                break
            short = min(free.max() * self.rng.uniform(0.6, 0.95), self.rng.uniform(9, 36))
            row, col = self.rng.choice(np.argwhere(free >= short))
            dy, dx = (
                self.rows - row + short / 9 * wobble_rows,
                self.cols - col + short / 9 * wobble_cols,
            )
            along, across = _rotate(dy, dx, self.rng.uniform(0, np.pi))
            edge = (1 - np.hypot(along / self.rng.uniform(1, 1.7), across) / short) * short
            edge = np.minimum(edge, self.depth - 3.5)  # about the distance inwards, in the cell
            body = edge > 0
            stripes = np.sin((across + 2.5 * self.noise(14)) * self.rng.uniform(0.8, 1.25))
            matter = self.rng.uniform(70, 125) + self.rng.uniform(10, 48) * stripes
            rim = np.exp(-(((edge - 1.2) / 1.3) ** 2)) + 0.55 * np.exp(-(((edge - 5) / 1.2) ** 2))
            self.image[body] = ((matter + 16 * self.noise(3)) * (1 - 0.75 * rim))[body]
            self.labels[body] = MITOCHONDRIA
            free = np.minimum(free, ndimage.distance_transform_edt(~body) - 4)

    def add_synapses(self) -> None:
        """Draw dark, fuzzy blobs along pieces of membrane, thicker on the side of one cell."""
        ragged = 1.5 * self.noise(6)
        middles = np.argwhere(np.isin(self.labels, MEMBRANES) & (np.abs(self.depth) < 1))
        for _ in range(60):
            if np.mean(self.labels == SYNAPSE) >= SYNAPSE_FRACTION:
                break
            row, col = self.rng.choice(middles)
            length, thick = self.rng.uniform(8, 19), self.rng.uniform(4, 8)
            apart = np.hypot(self.rows - row, self.cols - col) + ragged
            side = np.where(self.cells == self.cells[row, col], thick, 0.5 * thick)
            reach = side * np.sqrt(np.clip(1 - (apart / length) ** 2, 0, None))
            edge = reach - np.abs(self.depth) + 0.5 * ragged
            shade = np.where(apart < 1.5 * length, edge + 1.5 * ragged, -20)
            self.image *= 1 - 0.85 / (1 + np.exp(-shade / 2.2))
            blob = (edge > 0) & (apart < length)
            blob &= ~np.isin(self.labels, (MITOCHONDRIA, EXTRACELLULAR))
            self.labels[blob] = SYNAPSE

    def photograph(self) -> np.ndarray:
        """Apply uneven light, blur and shot noise, and convert the image to 8 bits."""
        image = self.image * (1 + 0.04 * self.noise(self.size / 2))
        image = ndimage.gaussian_filter(image, self.rng.uniform(0.75, 1.0))
        grain = ndimage.gaussian_filter(self.rng.standard_normal(image.shape), 0.5)
        image += self.rng.uniform(12, 17) * grain * (0.6 + image / 300)
        return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _rotate(dy: np.ndarray, dx: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates along and across a direction."""
    return np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
