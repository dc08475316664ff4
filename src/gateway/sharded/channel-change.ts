/** What LISTEN and UNLISTEN say; without a channel: UNLISTEN *. */
export interface ChannelChange {
  readonly listen: boolean;
  readonly channel?: string;
}

/** The channels that are listened to after a change. */
export function withChannel(channels: ReadonlySet<string>, { listen, channel }: ChannelChange): ReadonlySet<string> {
  if (channel === undefined) return new Set();
  return listen ? new Set([...channels, channel]) : new Set([...channels].filter((other) => other !== channel));
}
