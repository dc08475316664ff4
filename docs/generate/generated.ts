/** First line of every page that is made from the source. */
export const GENERATED = "<!-- Made from the source by `npm run docs`: change that, not this. -->";
