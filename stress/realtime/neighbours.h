// A reader beside a neighbour in the next slot that is given back and written all the time: large
// folios of the page cache are not to lie across two slots.
#pragma once

#include <cstdint>
#include <string>

namespace canvas::stress {

// The roles of the other processes.
//
// Gives every neighbour back and writes it again; says so after each round of all.
void Neighbour(const std::string& path);
// Reads around the edge of the pages until it is told to end. `plain`: says what it met, and judges
// nothing.
void ReadBesideNeighbours(const std::string& path, bool plain);

// The premise, at 4 KiB, and the verdict, as canvases are made by default; `align` other than 0: at
// that alone. The exit code.
int RunNeighbours(std::int64_t align);

}  // namespace canvas::stress
