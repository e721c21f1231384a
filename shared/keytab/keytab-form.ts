/** By what a keytab is known. */

export const FIRST_LINE = '# orthrus keytab 1'
export const KEY_PREFIX = 'orthruskey1_'

/** Whether a text is a keytab or a part of one, even if its lines are damaged. */
export function looksLikeKeytab(text: string): boolean {
  return text.includes(KEY_PREFIX) || text.includes(FIRST_LINE)
}
