package rbm

func (c *checker) richCard(p *path, r *RichCard) {
	c.union(p, []field{
		{"standaloneCard", r.StandaloneCard != nil},
		{"carouselCard", r.CarouselCard != nil},
	})
	if r.StandaloneCard != nil {
		c.standalone(p.at("standaloneCard"), r.StandaloneCard)
	}
	if r.CarouselCard != nil {
		c.carousel(p.at("carouselCard"), r.CarouselCard)
	}
}

func (c *checker) standalone(p *path, s *StandaloneCard) {
	needWord(c, p.at("cardOrientation"), s.CardOrientation, OrientationUnspecified)
	checkWord(c, p.at("thumbnailImageAlignment"), s.ThumbnailImageAlignment)
	at := p.at("cardContent")
	if s.CardContent == nil {
		c.fault(at, RuleRequired, "is missing")
		return
	}
	c.card(at, s.CardContent)
	card := s.CardContent
	if s.CardOrientation == OrientationHorizontal && card.Media != nil &&
		card.Title == "" && card.Description == "" && len(card.Suggestions) == 0 {
		c.fault(at, RuleRequired, "needs a title, a description or suggestions beside the media of a horizontal card")
	}
}

func (c *checker) carousel(p *path, k *CarouselCard) {
	needWord(c, p.at("cardWidth"), k.CardWidth, WidthUnspecified)
	cards := p.at("cardContents")
	c.list(cards, MinCarouselCards, MaxCarouselCards, len(k.CardContents), "cards")
	for i := range k.CardContents {
		card := &k.CardContents[i]
		c.card(cards.item(i), card)
		if k.CardWidth == WidthSmall && card.Media != nil && card.Media.Height == HeightTall {
			c.fault(cards.item(i).at("media").at("height"), RuleConflict,
				"must be SHORT or MEDIUM, because the cards of the carousel are SMALL")
		}
	}
}

func (c *checker) card(p *path, card *CardContent) {
	if card.Title == "" && card.Description == "" && card.Media == nil {
		c.fault(p, RuleRequired, "needs a title, a description or media")
	}
	c.text(p.at("title"), card.Title, MaxCardTitle)
	c.text(p.at("description"), card.Description, MaxCardDescription)
	if card.Media != nil {
		c.media(p.at("media"), card.Media)
	}
	c.suggestions(p.at("suggestions"), card.Suggestions, MaxCardSuggestions)
}

func (c *checker) media(p *path, m *Media) {
	checkWord(c, p.at("height"), m.Height)
	c.text(p.at("contentDescription"), m.ContentDescription, 0)
	c.union(p, []field{
		{"fileName", m.FileName != ""},
		{"uploadedRbmFile", m.UploadedRBMFile != nil},
		{"contentInfo", m.ContentInfo != nil},
	})
	c.file(p, m.FileName, m.UploadedRBMFile, m.ContentInfo)
}
