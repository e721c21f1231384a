/** How much the program gives to its socket at once. */
export const PIECE_BYTES = 64 * 1024
