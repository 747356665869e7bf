"""Cells made of cells; a part is the function of its cell."""


def stack(params, carry, x, cells):
    carries = []
    for cell, cell_params, cell_carry in zip(cells, params, carry, strict=True):
        new, x = cell(cell_params, cell_carry, x)
        carries.append(new)
    return tuple(carries), x


def residual(params, carry, x, cell):
    carry, y = cell(params, carry, x)
    return carry, x + y
