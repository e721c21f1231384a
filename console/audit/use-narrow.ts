import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

const NARROW = '(max-width: 720px)'

/** Whether the page is as narrow as a telephone. */
export function useNarrow(): boolean {
  const isNarrow = useSignal(matchMedia(NARROW).matches)
  useEffect(() => {
    const query = matchMedia(NARROW)
    const read = (): void => {
      isNarrow.value = query.matches
    }
    query.addEventListener('change', read)
    return () => query.removeEventListener('change', read)
  }, [])
  return isNarrow.value
}
