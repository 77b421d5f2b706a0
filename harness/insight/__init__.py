"""Why a cell is as it is: errors layer by layer, time operator by operator."""
